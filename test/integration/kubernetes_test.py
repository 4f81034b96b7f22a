"""The control plane in a cluster: its Services, pods and policies are the mesh's, its service
accounts' tokens are believed, and what the API server does badly is lived through.
"""

import base64
import json
import pathlib
import shutil
import subprocess
import tempfile
import time
import unittest

import locality_test
import mesh
from fake_kubernetes import FakeKubernetes

KITH = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/kith"


def token(issuer="https://cluster.example", ttl=3600, name="t"):
    """A token as the outside of it looks; the fake says whether it is good."""

    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    claims = {"iss": issuer, "aud": ["kith-ca"], "exp": int(time.time()) + ttl, "jti": name}
    return f"{part({'alg': 'RS256'})}.{part(claims)}.{'A' * 86}"


def account(namespace, name, audiences=("kith-ca",), bound_to=None):
    user = {"username": f"system:serviceaccount:{namespace}:{name}",
            "groups": ["system:serviceaccounts", "system:authenticated"]}
    if bound_to:
        user["extra"] = {"authentication.kubernetes.io/pod-name": [bound_to],
                         "authentication.kubernetes.io/pod-uid": ["u"]}
    return {"authenticated": True, "audiences": list(audiences), "user": user}


def make_root(certificate, key):
    """An authority's root, as a Secret would have it."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", certificate,
                    "-days", "20", "-subj", "/CN=root", "-addext",
                    "keyUsage=critical,keyCertSign,cRLSign"], check=True, capture_output=True)


def service(name, port=80, **spec):
    return {"metadata": {"name": name, "namespace": "demo", "uid": "u", "managedFields": [{}]},
            "spec": {"selector": {"app": name}, "clusterIP": "10.96.0.7", "clusterIPs": ["10.96.0.7"],
                     "ports": [{"name": "http", "port": port, "targetPort": 8080,
                                "protocol": "TCP"}], **spec}}


def pod(name, app, ip, annotations=None, ready="True"):
    return {"metadata": {"name": name, "namespace": "demo", "labels": {"app": app},
                         "annotations": annotations or {}},
            "spec": {"serviceAccountName": app, "containers": []},
            "status": {"phase": "Running", "podIP": ip,
                       "conditions": [{"type": "Ready", "status": ready}]}}


def endpoint_slice(name, port, pods):
    """pods: (name, whether it is ready); without a name it is no pod."""
    endpoints = [{"addresses": ["127.0.0.1"], "conditions": {"ready": ready},
                  **({"targetRef": {"kind": "Pod", "name": pod}} if pod else {})}
                 for pod, ready in pods]
    return {"metadata": {"name": f"{name}-x", "namespace": "demo",
                         "labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4", "endpoints": endpoints,
            "ports": [{"name": "http", "port": port, "protocol": "TCP"}]}


class Cluster(mesh.Mesh):
    def __init__(self):
        super().__init__()
        self.api = FakeKubernetes(self.directory)
        with self.control_plane_config.open("a") as config:
            config.write(f"kubernetes:\n  server: 127.0.0.1:{self.api.port}\n"
                         f"  caFile: {self.api.ca_file}\n  tokenFile: {self.api.token_file}\n")

    def kinds(self):
        """How many documents of each kind are in force."""
        found = {}
        for kind in ("Service", "WorkloadEntry", "PeerAuthentication", "AuthorizationPolicy"):
            found[kind] = mesh.metric(self.metrics_port, "kith_registry_resources", kind=kind)
        return found

    def await_kinds(self, **expected):
        mesh.await_true(f"{expected} in force", lambda: self.kinds() == {
            "Service": 0, "WorkloadEntry": 0, "PeerAuthentication": 0, "AuthorizationPolicy": 0,
            **expected})


class KubernetesTest(unittest.TestCase):
    def setUp(self):
        self.cluster = self.enterContext(Cluster())
        self.api = self.cluster.api
        self.addCleanup(self.api.stop)

    def test_services_pods_and_policies_are_followed(self):
        self.api.put("services", service("web"))
        self.api.put("pods", pod("web-1", "web", "10.0.0.1"))
        self.api.put("pods", pod("web-2", "web", "10.0.0.2", ready="False"))
        self.api.put("pods", pod("web-3", "web", "10.0.0.3", {"sidecar.kith.dev/status": "{}"}))
        self.cluster.start()
        self.cluster.await_kinds(Service=1, WorkloadEntry=1)
        self.api.put("pods", pod("web-2", "web", "10.0.0.2"))
        self.api.put("peerauthentications", {"metadata": {"name": "default", "namespace": "demo"},
                                             "spec": {"mtls": {"mode": "STRICT"}}})
        self.cluster.await_kinds(Service=1, WorkloadEntry=2, PeerAuthentication=1)
        self.api.delete("services", "demo", "web")
        self.cluster.await_kinds(WorkloadEntry=2, PeerAuthentication=1)
        # A policy that turns bad leaves what was good of it in force.
        self.api.put("peerauthentications", {"metadata": {"name": "default", "namespace": "demo"},
                                             "spec": {"mtls": {"mode": "STRIKT"}}})
        mesh.await_true("the bad policy is reported", lambda: mesh.metric(
            self.cluster.metrics_port, "kith_registry_files", state="bad") == 1)
        self.assertEqual(self.cluster.kinds()["PeerAuthentication"], 1)

    def test_a_service_is_where_its_slices_say(self):
        host = "backend.demo.svc.cluster.local"
        application, _ = self.cluster.nginx("location / { return 200 ok; }")
        self.api.put("services", service("backend", ports=[
            {"name": "http", "port": 80, "targetPort": "web"}]))
        outside = service("outside", ports=[{"name": "http", "port": 80}])
        del outside["spec"]["selector"]
        self.api.put("services", outside)
        self.cluster.start()
        self.cluster.await_kinds(Service=2)
        self.cluster.add("backend-1", "backend", inbound=[(application, "HTTP")])
        self.cluster.add("backend-2", "backend", inbound=[(application, "HTTP")])
        frontend = self.cluster.add("frontend", outbound=[
            (host, 80), ("outside.demo.svc.cluster.local", 80)])

        def endpoints():
            services = {each["host"]: each for each in frontend.status()["config"]["services"]}
            ports = services.get(host, {}).get("ports", [{}])
            return sorted(each["workload"] for each in ports[0].get("endpoints", []))

        def answers(status, name=host):
            mesh.await_true(f"{name} is answered {status}", lambda: mesh.request(
                frontend.outbound[name]).status == status)

        # A name in place of a port means nothing before a slice says what it is.
        self.assertEqual(endpoints(), [])
        self.api.put("endpointslices", endpoint_slice("backend", application, [
            ("backend-1", True), ("backend-2", False)]))
        mesh.await_true("the ready one", lambda: endpoints() == ["demo/backend-1"])
        answers(200)
        self.api.put("endpointslices", endpoint_slice("backend", application, [
            ("backend-1", False), ("backend-2", True)]))
        mesh.await_true("the other one", lambda: endpoints() == ["demo/backend-2"])
        answers(200)
        # A Service without a selector, whose endpoint is no pod, gets plaintext.
        self.api.put("endpointslices", endpoint_slice("outside", application, [("", True)]))
        answers(200, "outside.demo.svc.cluster.local")
        self.api.delete("endpointslices", "demo", "outside-x")
        answers(503, "outside.demo.svc.cluster.local")

    def test_lists_come_in_pages(self):
        for i in range(1203):
            self.api.put("services", service(f"web-{i}"))
        self.cluster.start()
        self.cluster.await_kinds(Service=1203)
        self.assertEqual(self.api.lists.count("services"), 3)

    def test_a_dropped_watch_is_resumed_and_a_lost_history_listed_anew(self):
        self.cluster.start()
        self.api.put("services", service("one"))
        self.cluster.await_kinds(Service=1)
        self.api.drop_watches()
        self.api.put("services", service("two"))
        self.cluster.await_kinds(Service=2)
        self.assertEqual(self.api.lists.count("services"), 1)
        # What happened while the history was lost is in the list.
        with self.api.lock:
            self.api.drop_watches()
            self.api.put("services", service("three"))
            self.api.delete("services", "demo", "one")
            self.api.forget_history()
        self.cluster.await_kinds(Service=2)
        mesh.await_true("a second list", lambda: self.api.lists.count("services") == 2)
        mesh.await_true("a watch", lambda: any(w[0] == "services" for w in self.api.watches))
        self.api.send("services", {"type": "ERROR", "object": {"code": 410, "message": "gone"}})
        mesh.await_true("a third list", lambda: self.api.lists.count("services") == 3)
        self.api.put("services", service("four"))
        self.cluster.await_kinds(Service=3)

    def test_nonsense_in_a_watch_costs_nothing_that_is_known(self):
        self.api.put("services", service("one"))
        self.cluster.start()
        for event in ({"type": 7}, [], {"type": "ADDED", "object": []},
                      {"type": "ADDED", "object": {"metadata": 5}}):
            mesh.await_true("a watch", lambda: any(w[0] == "services" for w in self.api.watches))
            self.api.send("services", event)
        self.api.put("services", service("two"))
        mesh.await_true("both", lambda: self.cluster.kinds()["Service"] == 2)

    def test_an_api_server_that_is_away_changes_nothing(self):
        self.api.put("services", service("one"))
        self.cluster.start()
        self.cluster.await_kinds(Service=1)
        self.api.stop()
        time.sleep(0.5)
        self.assertEqual(self.cluster.kinds()["Service"], 1)
        self.api.restart()
        self.api.put("services", service("two"))
        self.cluster.await_kinds(Service=2)

    def test_the_token_is_read_again(self):
        self.cluster.start()
        self.api.set_token("second")
        self.api.drop_watches()
        self.api.put("services", service("one"))
        self.cluster.await_kinds(Service=1)

    def test_a_pod_proves_itself_by_its_projected_token(self):
        self.cluster.start()
        good, wrong = token(name="good"), token(name="wrong")
        self.api.reviews[good] = account("demo", "web")
        self.api.reviews[wrong] = account("demo", "web", audiences=("https://kubernetes",))
        workload = self.cluster.add("web-1", "web", outbound=[("x.demo.svc.cluster.local", 80)],
                                    start=False)
        workload.token_path.write_text(wrong)
        workload.start()
        mesh.await_true("the wrong audience is refused", lambda: mesh.metric(
            self.cluster.metrics_port, "kith_token_checks_total", reason="audience") >= 1)
        self.assertNotEqual(mesh.request(workload.metrics_port, "/healthz/ready").status, 200)
        workload.token_path.write_text(good)
        workload.await_ready()
        self.assertIn(workload.spiffe_id, json.dumps(workload.certs()))

    def test_a_pod_is_at_the_addresses_that_the_cluster_says(self):
        self.api.put("pods", pod("web-1", "web", "10.0.0.9"))
        self.cluster.start()
        bound = token(name="bound")
        self.api.reviews[bound] = account("demo", "web", bound_to="web-1")
        workload = self.cluster.add("web-1", "web", inbound=[(8080, "TCP")], start=False)
        workload.token_path.write_text(bound)
        workload.start()
        mesh.await_true("it is refused", lambda: "127.0.0.1 is no address of the pod demo/web-1"
                        in self.cluster.control_plane.log())
        self.assertEqual(self.cluster.kithctl("status")["workloads"], [])
        self.api.put("pods", pod("web-1", "web", "127.0.0.1"))
        workload.await_ready()
        audit = (self.cluster.state / "audit.jsonl").read_text()
        self.assertIn('"caller":"demo/web pod web-1"', audit)
        # Nor may it say that it is another pod.
        other = self.cluster.add("web-2", "web", inbound=[(8080, "TCP")], start=False)
        other.token_path.write_text(bound)
        other.start()
        mesh.await_true("it is refused", lambda: "web-2 is not the name of the pod demo/web-1"
                        in self.cluster.control_plane.log())

    def test_a_workload_is_where_its_node_is(self):
        near, far = (self.cluster.server(locality_test.answering(name)) for name in (b"near", b"far"))
        self.api.put("nodes", {"metadata": {"name": "n1", "labels": {
            "topology.kubernetes.io/region": "eu", "topology.kubernetes.io/zone": "1"}}})
        frontend = pod("frontend", "frontend", "127.0.0.1", {"sidecar.kith.dev/status": "{}"})
        frontend["spec"]["nodeName"] = "n1"
        self.api.put("pods", frontend)
        self.cluster.write("near.yaml", locality_test.entry(
            {"us/1": far, "eu/1": near}, "{loadBalancer: {simple: ROUND_ROBIN}, outlierDetection: {}}"))
        self.cluster.start()
        port = self.cluster.add("frontend", outbound=[(locality_test.HOST, 80)]).outbound[
            locality_test.HOST]
        mesh.await_true("the way", lambda: mesh.request(port).status == 200)
        self.assertEqual({mesh.request(port).body for _ in range(6)}, {b"near"})

    def test_roots_and_ca_bundle_are_kept(self):
        for name in ("demo", "shop"):
            self.api.put("namespaces", {"metadata": {"name": name}})
        self.api.webhooks[KITH] = {"metadata": {"name": "kith", "resourceVersion": "1"},
                                   "webhooks": [{"name": "a", "clientConfig": {"service": {}}}]}
        with self.cluster.control_plane_config.open("a") as config:
            config.write("webhook: {address: '127.0.0.1:0', injection: {image: 'kith:test'}}\n")
        self.cluster.start()
        roots = (self.cluster.state / "root-cert.pem").read_text()
        path = "/api/v1/namespaces/shop/configmaps/kith-root-cert"
        published = mesh.await_true("the ConfigMap", lambda: self.api.config_maps.get(path))
        self.assertEqual(published["data"]["root-cert.pem"], roots)
        mesh.await_true("the caBundle", lambda: base64.b64decode(
            self.api.webhooks[KITH]["webhooks"][0]["clientConfig"].get("caBundle", "")
        ).decode() == roots)


class BadServerTest(unittest.TestCase):
    def test_a_server_without_the_right_name_is_not_asked(self):
        directory = pathlib.Path(tempfile.mkdtemp(prefix="kith-test-"))
        self.addCleanup(shutil.rmtree, directory)
        api = FakeKubernetes(directory, certificate_ip="127.0.0.2")
        self.addCleanup(api.stop)
        with mesh.Mesh() as plane:
            with plane.control_plane_config.open("a") as config:
                config.write(f"kubernetes:\n  server: 127.0.0.1:{api.port}\n"
                             f"  caFile: {api.ca_file}\n  tokenFile: {api.token_file}\n")
            plane.control_plane = mesh.Process(
                "controlplane", [mesh.CONTROL_PLANE, "--config", plane.control_plane_config],
                plane.directory)
            mesh.await_true("it says why", lambda: "does the API server's certificate name 127.0.0.1"
                            in plane.control_plane.log())
            self.assertEqual(api.requests, [])


if __name__ == "__main__":
    unittest.main()
