"""See kubernetes.sh."""

import pathlib
import queue
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

import grpc  # noqa: E402
import kubernetes_test as cluster  # noqa: E402
import mesh  # noqa: E402

API = mesh.ROOT / "api"
METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"
SERVICE_TYPE = "type.googleapis.com/kith.mesh.v1.Service"
SUBSCRIBED = 20  # Services that change.


def messages(directory):
    """The generated Python of the discovery protocol."""
    protos = ["envoy/service/discovery/v3/discovery.proto", "envoy/config/core/v3/base.proto",
              "google/rpc/status.proto"]
    subprocess.run(["protoc", "-I", API, "-I", "/usr/include", f"--python_out={directory}",
                    *(API / proto for proto in protos)], check=True)
    sys.path.insert(0, directory)
    import google
    google.__path__.append(str(pathlib.Path(directory) / "google"))
    from envoy.service.discovery.v3 import discovery_pb2
    return discovery_pb2


class Client:
    """What a sidecar is to the control plane: one stream, one subscription, an answer to each."""

    def __init__(self, types, net, number, host, credentials):
        self.types, self.host = types, host
        self.acknowledged = queue.Queue()  # Times.
        self._out = queue.Queue()
        token = cluster.token(name=f"client-{number}")
        net.api.reviews[token] = cluster.account("demo", "client")
        options = [("grpc.ssl_target_name_override", "kith-controlplane"),
                   ("grpc.use_local_subchannel_pool", 1)]
        self.channel = grpc.secure_channel(f"127.0.0.1:{net.port}", credentials, options)
        call = self.channel.stream_stream(
            METHOD, request_serializer=types.DeltaDiscoveryRequest.SerializeToString,
            response_deserializer=types.DeltaDiscoveryResponse.FromString)
        first = types.DeltaDiscoveryRequest(type_url=SERVICE_TYPE, resource_names_subscribe=[host])
        first.node.metadata.update({"workload": f"client-{number}", "labels": {"app": "client"}})
        self._out.put(first)
        self.stream = call(iter(self._out.get, None),
                           metadata=[("authorization", f"Bearer {token}")])
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        try:
            for response in self.stream:
                self._out.put(self.types.DeltaDiscoveryRequest(
                    type_url=response.type_url, response_nonce=response.nonce))
                self.acknowledged.put(time.perf_counter())
        except grpc.RpcError:
            pass

    def close(self):
        self._out.put(None)
        self.channel.close()


def address(number):
    return f"10.{number // 62500}.{number // 250 % 250}.{number % 250 + 1}"


def slice_of(service, pods):
    """The EndpointSlice of a Service: its pods by number."""
    return {"metadata": {"name": f"{service}-x", "namespace": "demo",
                         "labels": {"kubernetes.io/service-name": service}},
            "addressType": "IPv4", "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
            "endpoints": [{"addresses": [address(n)], "conditions": {"ready": True},
                           "targetRef": {"kind": "Pod", "name": f"pod-{n}"}} for n in pods]}


def populate(api, pods, services):
    for i in range(services):
        ip = f"10.96.{i // 250}.{i % 250 + 1}"
        api.put("services", cluster.service(f"svc-{i}", clusterIP=ip, clusterIPs=[ip]))
        api.put("endpointslices", slice_of(f"svc-{i}", range(i, pods, services)))
    for i in range(pods):
        api.put("pods", cluster.pod(f"pod-{i}", f"svc-{i % services}", address(i)))


def memory(net):
    """(resident, highest) in MiB."""
    found = dict(line.split(":", 1) for line in pathlib.Path(
        f"/proc/{net.control_plane.pid}/status").read_text().splitlines())
    return tuple(round(int(found[key].split()[0]) / 1024) for key in ("VmRSS", "VmHWM"))


def measure(net, clients, services, changes):
    """Milliseconds from each change's event to each acknowledgement."""
    times = []
    for i in range(changes):
        service = f"svc-{i % SUBSCRIBED}"
        listening = [c for c in clients if c.host.startswith(f"{service}.")]
        for client in listening:
            while not client.acknowledged.empty():
                client.acknowledged.get()
        begin = time.perf_counter()
        # One endpoint fewer, or again all.
        pods = range(i % SUBSCRIBED, 5 * services, services)[(i // SUBSCRIBED + 1) % 2:]
        net.api.put("endpointslices", slice_of(service, pods))
        for client in listening:
            times.append(1000 * (client.acknowledged.get(timeout=60) - begin))
        time.sleep(0.2)
    return sorted(times)


def main():
    pods, services, sidecars, changes = (
        [int(each) for each in sys.argv[1:]] + [10000, 2000, 200, 50][len(sys.argv) - 1:])
    with tempfile.TemporaryDirectory() as directory, cluster.Cluster() as net:
        types = messages(directory)
        populate(net.api, pods, services)
        print(f"{pods} pods, {services} Services and EndpointSlices")
        begin = time.perf_counter()
        net.control_plane = mesh.Process(
            "controlplane", [mesh.CONTROL_PLANE, "--config", net.control_plane_config],
            net.directory)
        mesh.await_true("the control plane is ready", lambda: mesh.request(
            net.metrics_port, "/healthz/ready").status == 200, 120)
        print(f"ready after {time.perf_counter() - begin:.1f} s; "
              "memory %d MiB, at most %d" % memory(net))
        credentials = grpc.ssl_channel_credentials(
            (net.state / "root-cert.pem").read_bytes())
        clients = [Client(types, net, i, f"svc-{i % SUBSCRIBED}.demo.svc.cluster.local", credentials)
                   for i in range(sidecars)]
        for client in clients:
            client.acknowledged.get(timeout=60)
        print(f"{sidecars} clients connected; memory %d MiB, at most %d" % memory(net))
        times = measure(net, clients, services, changes)
        print(f"{changes} changes, {len(times)} acknowledgements: p50 "
              f"{statistics.median(times):.0f} ms, p99 {times[int(len(times) * 0.99)]:.0f} ms, "
              f"longest {times[-1]:.0f} ms; memory %d MiB, at most %d" % memory(net))
        for client in clients:
            client.close()


if __name__ == "__main__":
    main()
