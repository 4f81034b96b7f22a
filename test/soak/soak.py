"""The long runs that run.sh names."""

import pathlib
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

from mesh import Load, Mesh, allow, await_true, documents, metric_labels, request, service  # noqa: E402

HOST = "backend.demo.svc.cluster.local"


class Pair:
    """A frontend and a backend with these lifetimes, and the way between them."""

    def __init__(self, lifetime):
        self.mesh = Mesh(leaf_lifetime=lifetime)
        application, _ = self.mesh.nginx("location / { return 200 ok; }")
        self.mesh.write("mesh.yaml", documents(service("backend", application),
                                               allow("everyone", "backend", "  - {}")))
        self.mesh.start()
        self.backend = self.mesh.add("backend", inbound=[(application, "HTTP")])
        self.frontend = self.mesh.add("frontend", outbound=[(HOST, 80)])
        self.through = self.frontend.outbound[HOST]
        await_true("the way to the backend", lambda: request(self.through).status == 200)

    def __enter__(self):
        return self

    def __exit__(self, *problem):
        self.mesh.__exit__(*problem)

    def rotations(self):
        return [int(w.metric("kith_identity_rotations_total", result="ok"))
                for w in (self.frontend, self.backend)]


def report(load, started, extra):
    requests, failed = load.finish()
    print(f"{extra}, {time.monotonic() - started:.0f} s")
    print(f"requests={requests} failed={failed}")
    return failed == 0


def rotations(seconds):
    """Rotations on demand every 200 ms on top of a lifetime of 10 s."""
    with Pair("10s") as pair:
        before, started = pair.rotations(), time.monotonic()
        load = Load(pair.through, seconds, connections=64)
        serials, shown = set(), 0
        wanted = max(300, int(seconds * 5))
        while time.monotonic() - started < seconds - 1:
            for workload in (pair.frontend, pair.backend):
                pair.mesh.kithctl("certs", "rotate", "--sidecar", workload.socket)
            serials |= metric_labels(pair.backend.metrics_port,
                                     "kith_tls_handshakes_by_certificate_total", "serial")
            if time.monotonic() - started > shown + 5:
                shown = time.monotonic() - started
                print(f"    {shown:.0f} s: rotations {pair.rotations()}", flush=True)
            if sum(pair.rotations()) / 2 - before[0] > wanted * 2:
                time.sleep(0.1)
        made = [after - was for after, was in zip(pair.rotations(), before)]
        return report(load, started, f"rotations of frontend and backend: {made}, serials seen in "
                                     f"handshakes of the backend: {len(serials)}")


def outage(seconds):
    """The control plane is away for 0.6 of a lifetime of 20 s, from just after a renewal until well
    after the next is due; then back for 8 s, and so on."""
    with Pair("20s") as pair:
        started, outages, slowest = time.monotonic(), 0, 0.0
        load = Load(pair.through, seconds, connections=64)
        while time.monotonic() - started < seconds - 21:
            for workload in (pair.frontend, pair.backend):
                pair.mesh.kithctl("certs", "rotate", "--sidecar", workload.socket)
            pair.mesh.control_plane.end(signal.SIGKILL)
            time.sleep(12)
            stale = [w.serial() for w in (pair.frontend, pair.backend)]
            back = time.monotonic()
            pair.mesh.start()
            for workload, serial in zip((pair.frontend, pair.backend), stale):
                await_true("renewal", lambda: workload.serial() != serial, 10)
            slowest = max(slowest, time.monotonic() - back)
            outages += 1
            time.sleep(8)
        return report(load, started, f"outages: {outages}, slowest renewal after a return: "
                                     f"{slowest:.2f} s")


if __name__ == "__main__":
    good = {"rotations": rotations, "outage": outage}[sys.argv[1]](float(sys.argv[2]))
    sys.exit(0 if good else 1)
