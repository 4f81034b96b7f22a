"""See kubernetes.sh."""

import http.client
import pathlib
import re
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

import kubernetes_test as cluster  # noqa: E402
import mesh  # noqa: E402

SUBSCRIBED = 20  # Services that change.
AT_ONCE = 10  # Sidecars that start.
GIVEN_UP = 60  # Seconds for one change.
ACKS = re.compile(rb'^kith_xds_acks_total\{[^}]*Service"[^}]*\} (\d+)', re.MULTILINE)


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


def memory(pid):
    """(resident, highest) in MiB."""
    found = dict(line.split(":", 1) for line in pathlib.Path(
        f"/proc/{pid}/status").read_text().splitlines())
    return tuple(round(int(found[key].split()[0]) / 1024) for key in ("VmRSS", "VmHWM"))


class Acknowledgements:
    """What the control plane has counted, read over one connection."""

    def __init__(self, port):
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)

    def count(self):
        self._connection.request("GET", "/metrics")
        found = ACKS.search(self._connection.getresponse().read())
        return int(found.group(1)) if found else 0

    def settle(self):
        """The count, once it has been the same for a second."""
        last, since = self.count(), time.monotonic()
        while time.monotonic() < since + 1:
            time.sleep(0.05)
            if (now := self.count()) != last:
                last, since = now, time.monotonic()
        return last


def connect(net, sidecars):
    """Whole sidecars, each of which calls one of the Services that change."""
    for begin in range(0, sidecars, AT_ONCE):
        some = [net.add(f"client-{i}", outbound=[(f"svc-{i % SUBSCRIBED}.demo.svc.cluster.local", 80)],
                        start=False) for i in range(begin, min(begin + AT_ONCE, sidecars))]
        for each in some:
            each.start()
        for each in some:
            each.await_ready()


def measure(net, acknowledgements, sidecars, services, changes):
    """Milliseconds from each change's event until each acknowledgement is counted."""
    times = []
    for i in range(changes):
        service = i % SUBSCRIBED
        expected = len(range(service, sidecars, SUBSCRIBED))
        # One endpoint fewer, or again all.
        pods = range(service, 5 * services, services)[(i // SUBSCRIBED + 1) % 2:]
        before = acknowledgements.count()
        begin = time.perf_counter()
        net.api.put("endpointslices", slice_of(f"svc-{service}", pods))
        seen = 0
        while seen < expected:
            time.sleep(0.003)
            now = acknowledgements.count() - before
            passed = time.perf_counter() - begin
            times += [1000 * passed] * (now - seen)
            seen = now
            assert passed < GIVEN_UP, f"svc-{service}: {seen} of {expected} acknowledged"
        assert seen == expected, f"svc-{service}: {seen} acknowledged, {expected} have it"
        time.sleep(0.2)
    return sorted(times)


def main():
    pods, services, sidecars, changes = (
        [int(each) for each in sys.argv[1:]] + [10000, 2000, 200, 50][len(sys.argv) - 1:])
    with cluster.Cluster() as net:
        populate(net.api, pods, services)
        print(f"{pods} pods, {services} Services and EndpointSlices", flush=True)
        begin = time.perf_counter()
        net.control_plane = mesh.Process(
            "controlplane", [mesh.CONTROL_PLANE, "--config", net.control_plane_config],
            net.directory)
        mesh.await_true("the control plane is ready", lambda: mesh.request(
            net.metrics_port, "/healthz/ready").status == 200, 120)
        print(f"ready after {time.perf_counter() - begin:.1f} s; "
              "memory %d MiB, at most %d" % memory(net.control_plane.pid), flush=True)
        begin = time.perf_counter()
        connect(net, sidecars)
        acknowledgements = Acknowledgements(net.metrics_port)
        acknowledgements.settle()
        each = [memory(workload.process.pid)[0] for workload in net.workloads]
        print(f"{sidecars} sidecars connected after {time.perf_counter() - begin:.0f} s, of "
              f"{min(each)} to {max(each)} MiB, {sum(each)} together; "
              "memory %d MiB, at most %d" % memory(net.control_plane.pid), flush=True)
        times = measure(net, acknowledgements, sidecars, services, changes)
        print(f"{changes} changes, {len(times)} acknowledgements: p50 "
              f"{statistics.median(times):.0f} ms, p99 {times[int(len(times) * 0.99)]:.0f} ms, "
              f"longest {times[-1]:.0f} ms; memory %d MiB, at most %d" %
              memory(net.control_plane.pid))


if __name__ == "__main__":
    main()
