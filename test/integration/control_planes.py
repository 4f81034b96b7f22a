"""Two control planes of one cluster and one authority, behind one address, and two sidecars that live
on them: what tests of their failures and changes share.
"""

import signal
import socket
import threading
import unittest

import kubernetes_test as cluster
import mesh

HOST = "backend.demo.svc.cluster.local"
LEASE = "/apis/coordination.k8s.io/v1/namespaces/kith-system/leases/kith-controlplane"
ROOTS = "/api/v1/namespaces/{}/configmaps/kith-root-cert"


class Balancer:
    """The one address of several control planes: each connection goes to the first that lives."""

    def __init__(self, net):
        self.targets = []
        self.port = net.server(self.serve)

    def serve(self, connection):
        for port in list(self.targets):
            try:
                target = socket.create_connection(("127.0.0.1", port), 5)
            except OSError:
                continue
            with target:
                back = threading.Thread(target=self.copy, args=(target, connection))
                back.start()
                self.copy(connection, target)
                back.join()
            return

    @staticmethod
    def copy(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        finally:
            for end in (source, sink):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass


class Requests:
    """Requests one after the other, until they are counted."""

    def __init__(self, port):
        self.port, self.made, self.failed = port, 0, []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        while not self._done.wait(0.005):
            self.made += 1
            try:
                status = mesh.request(self.port).status
            except OSError as error:
                status = repr(error)
            if status != 200:
                self.failed.append(status)

    def finish(self):
        self._done.set()
        self._thread.join()
        return self.made, self.failed


class Plane:
    """A control plane of the cluster, beside others: of one authority, with a state of its own."""

    def __init__(self, net, name):
        self.net, self.name = net, name
        self.port, self.metrics_port = mesh.free_port(), mesh.free_port()
        self.state = net.directory / name
        registry = net.directory / f"{name}-registry"
        registry.mkdir()
        self.config = net.directory / f"{name}.yaml"
        self.config.write_text(f"""
trustDomain: {net.trust_domain}
stateDirectory: {self.state}
address: 127.0.0.1:{self.port}
monitoringAddress: 127.0.0.1:{self.metrics_port}
adminSocket: {self.state}/admin.sock
registry: {{directory: {registry}}}
ca: {{certificateFile: {net.ca}, keyFile: {net.ca_key}, rootFile: {net.ca_roots}}}
kubernetes:
  server: 127.0.0.1:{net.api.port}
  caFile: {net.api.ca_file}
  tokenFile: {net.api.token_file}
  leaseNamespace: kith-system
  leaseDuration: 2s
""")
        self.process = None

    def start(self):
        self.process = mesh.Process(self.name, [mesh.CONTROL_PLANE, "--config", self.config],
                                    self.net.directory)

        def ready():
            assert self.process.running, f"{self.name} ended: {self.process.log()}"
            return mesh.request(self.metrics_port, "/healthz/ready").status == 200

        mesh.await_true(f"{self.name} is ready", ready, 40)

    def leads(self):
        return mesh.metric(self.metrics_port, "kith_leader") == 1


class ControlPlanesTest(unittest.TestCase):
    leaf_lifetime = "1h"

    def setUp(self):
        self.net = net = self.enterContext(cluster.Cluster())
        self.api = net.api
        self.addCleanup(lambda: self.api.stop())
        net.leaf_lifetime = self.leaf_lifetime
        net.ca, net.ca_key = net.directory / "ca.pem", net.directory / "ca-key.pem"
        net.ca_roots = net.directory / "ca-roots.pem"
        cluster.make_root(net.ca, net.ca_key)
        net.ca_roots.write_text(net.ca.read_text())
        balancer = Balancer(net)
        self.planes = [Plane(net, "plane-a"), Plane(net, "plane-b")]
        self.addCleanup(self.end_planes)
        application, _ = net.nginx("location / { return 200 ok; }")
        self.api.put("namespaces", {"metadata": {"name": "demo"}})
        self.api.put("services", cluster.service("backend", 80))
        self.api.put("authorizationpolicies", self.policy("allow"))
        net.port = balancer.port
        net.state.mkdir(exist_ok=True)
        (net.state / "root-cert.pem").write_text(net.ca.read_text())
        for plane in self.planes:
            plane.start()
            balancer.targets.append(plane.port)
        net.write_token = self.write_token  # The cluster's tokens, not one control plane's.
        self.backend = net.add("backend", inbound=[(application, "HTTP")], start=False)
        self.frontend = net.add("frontend", outbound=[(HOST, 80)], start=False)
        self.api.put("services", cluster.service("backend", 80, ports=[
            {"name": "http", "port": 80, "targetPort": application}]))
        # As a pod's, it is known to a control plane that its sidecar has not called yet.
        self.api.put("workloadentries", {
            "metadata": {"name": "backend", "namespace": "demo"},
            "spec": {"address": "127.0.0.1", "serviceAccount": "backend",
                     "ports": {"http": self.backend.inbound[application]},
                     "labels": {"app": "backend", "security.istio.io/tlsMode": "istio"}}})
        for workload in (self.backend, self.frontend):
            workload.start().await_ready()
        self.through = self.frontend.outbound[HOST]
        mesh.await_true("the way to the backend", lambda: mesh.request(self.through).status == 200)

    def end_planes(self):
        for plane in self.planes:
            if plane.process and plane.process.running:
                plane.process.end(signal.SIGKILL)

    def write_token(self, workload, ttl=""):
        token = cluster.token(name=workload.name)
        self.api.reviews[token] = cluster.account("demo", workload.service_account)
        workload.token_path.write_text(token)

    @staticmethod
    def policy(path):
        rule = {"to": [{"operation": {"paths": ["/*" if path == "allow" else path]}}]}
        return {"metadata": {"name": "who", "namespace": "demo"},
                "spec": {"selector": {"matchLabels": {"app": "backend"}}, "rules": [rule]}}

    def await_status(self, path, status):
        mesh.await_true(f"{path} is answered {status}",
                        lambda: mesh.request(self.through, path).status == status)
