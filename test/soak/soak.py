"""The long runs that run.sh names."""

import collections
import datetime
import http.client
import json
import pathlib
import signal
import socket
import ssl
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test" / "integration"))

from bypass import Servers, attack, reach  # noqa: E402
from capture import Capture  # noqa: E402
from flips import Flips  # noqa: E402
from mesh import (Load, Mesh, Process, allow, await_true, documents, metric_labels,  # noqa: E402
                  request, service)

CLIENTS = ROOT / "bazel-bin" / "test" / "soak" / "stampede_clients"


def host(name):
    return f"{name}.demo.svc.cluster.local"


class Pairs:
    """Frontends and backends with leaves of this lifetime, and the ways between them."""

    def __init__(self, lifetime, count=1):
        self.mesh = Mesh(leaf_lifetime=lifetime)
        self.application, _ = self.mesh.nginx("location / { return 200 ok; }")
        names = [f"backend{n}" for n in range(count)]
        self.mesh.write("mesh.yaml", documents(
            *(service(name, self.application) for name in names),
            *(allow(f"everyone-{name}", name, "  - {}") for name in names)))
        self.mesh.start()
        self.backends = [self.mesh.add(name, inbound=[(self.application, "HTTP")])
                         for name in names]
        self.frontends = [self.mesh.add(f"frontend{n}", outbound=[(host(name), 80)])
                          for n, name in enumerate(names)]
        self.sidecars = self.frontends + self.backends
        self.ways = [next(iter(frontend.outbound.values())) for frontend in self.frontends]
        for way in self.ways:
            await_true("the way to the backend", lambda: request(way).status == 200)

    def __enter__(self):
        return self

    def __exit__(self, *problem):
        self.mesh.__exit__(*problem)

    def load(self, seconds, connections=64):
        return [Load(way, seconds, connections // len(self.ways)) for way in self.ways]

    def rotations(self):
        return [int(sidecar.metric("kith_identity_rotations_total", result="ok"))
                for sidecar in self.sidecars]


def finish(loads):
    results = [load.finish() for load in loads]
    return sum(r[0] for r in results), sum(r[1] for r in results)


def report(requests, failed, started, extra, shown=True):
    print(f"{extra}, {time.monotonic() - started:.0f} s")
    print(f"requests={requests} failed={failed}")
    return failed == 0 and shown


def rotations(seconds=60, count=0):
    """Rotations on demand, as fast as they are had, on top of a lifetime of 10 s."""
    with Pairs("10s") as pairs:
        before, started = pairs.rotations(), time.monotonic()
        loads = pairs.load(seconds)
        serials, shown = set(), 0
        while time.monotonic() - started < seconds - 1:
            for sidecar in pairs.sidecars:
                pairs.mesh.kithctl("certs", "rotate", "--sidecar", sidecar.socket)
            serials |= metric_labels(pairs.backends[0].metrics_port,
                                     "kith_tls_handshakes_by_certificate_total", "serial")
            if time.monotonic() - started > shown + 5:
                shown = time.monotonic() - started
                print(f"    {shown:.0f} s: rotations {pairs.rotations()}", flush=True)
        made = [after - was for after, was in zip(pairs.rotations(), before)]
        return report(*finish(loads), started,
                      f"rotations of frontend and backend: {made} of {count} wanted, serials seen "
                      f"in handshakes of the backend: {len(serials)}", min(made) >= count)


class Intruder:
    """Handshakes with one backend, by a client certificate and perhaps an earlier session."""

    def __init__(self, port, certificate, key):
        self._port = port
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.check_hostname, self._context.verify_mode = False, ssl.CERT_NONE
        self._context.load_cert_chain(certificate, key)
        self._context.set_alpn_protocols(["istio-http/1.1", "istio"])

    def try_once(self, session=None):
        """(whether it was served, the session, whether that was resumed)."""
        try:
            with socket.create_connection(("127.0.0.1", self._port), 10) as tcp:
                with self._context.wrap_socket(tcp, session=session) as tls:
                    tls.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                    answer = tls.recv(64)
                    return answer.startswith(b"HTTP/1.1 200"), tls.session, tls.session_reused
        except (ssl.SSLError, ConnectionError):
            return False, None, False


def root(seconds=60, count=10_000):
    """Complete rotations of the root while four pairs of sidecars are saturated."""
    with Pairs("5s", count=4) as pairs:
        certificate, key = pairs.mesh.sign_leaf("old", pairs.frontends[0].spiffe_id)
        intruder = Intruder(pairs.backends[0].inbound[pairs.application], certificate, key)
        served, session, _ = intruder.try_once()
        assert served, "a leaf of the present root is refused"
        started, made = time.monotonic(), 0
        loads = pairs.load(seconds)
        status = pairs.mesh.kithctl("ca", "rotate", "status")
        while time.monotonic() - started < seconds - 25 or made == 0:
            began = time.monotonic()
            pairs.mesh.kithctl("ca", "rotate", "start")
            phases = []

            def done():
                phase = pairs.mesh.kithctl("ca", "rotate", "status")["phase"]
                if not phases or phases[-1][0] != phase:
                    phases.append((phase, round(time.monotonic() - began, 1)))
                return phase == "idle"

            await_true("the rotation's end", done, 120)
            made += 1
            print(f"    rotation {made}: {phases}", flush=True)
        requests, failed = finish(loads)
        after = pairs.mesh.kithctl("ca", "rotate", "status")
        assert after["signer"] != status["signer"] and len(after["roots"]) == 1, after
        assert len(after["workloads"]) == 8, after
        tried = [intruder.try_once(session) for _ in range(count)]
        accepted, resumed = sum(t[0] for t in tried), sum(t[2] for t in tried)
        has_ticket = session is not None and session.has_ticket
        return report(requests, failed, started,
                      f"root rotations: {made} over 8 sidecars; afterwards a leaf of the first "
                      f"root: {accepted} of {count} accepted, {resumed} sessions resumed, "
                      f"ticket given: {has_ticket}", accepted == resumed == 0 and not has_ticket)


def expiry(sidecar):
    text = sidecar.certs()["chain"][0]["notAfter"].replace("Z", "+00:00")
    return datetime.datetime.fromisoformat(text).timestamp()


def past_expiry(pairs):
    """The control plane stays away until every certificate has ended. Returns what was seen."""
    secret, way = "/a-word-that-nobody-may-read", pairs.ways[0]
    with Capture(pairs.backends[0].inbound[pairs.application], [secret, "HTTP/1.1"]) as wire:
        pairs.mesh.control_plane.end(signal.SIGKILL)
        ends = min(expiry(sidecar) for sidecar in pairs.sidecars)
        last_good = time.time()
        while time.time() < ends + 3:
            if request(way, secret).status == 200:
                last_good = time.time()
            time.sleep(0.01)
        pairs.mesh.start()
        back = time.monotonic()
        await_true("healed", lambda: request(way, secret).status == 200, 30)
        healed = time.monotonic() - back
    print(f"past expiry: closed {last_good - ends:+.2f} s from the first end, {wire.segments} "
          f"segments and {wire.bytes} bytes recorded between the sidecars, {len(wire.found)} with "
          f"plaintext, healed {healed:.2f} s after the return")
    return last_good < ends + 1 and wire.segments > 0 and not wire.found and healed <= 5


def outage(seconds=60, _=0):
    """Away for 0.6 of a lifetime of 20 s, from just after a renewal until well after the next is
    due; then back for 8 s, and so on. Then away past the end."""
    with Pairs("20s") as pairs:
        started, outages, slowest = time.monotonic(), 0, 0.0
        loads = pairs.load(seconds)
        while time.monotonic() - started < seconds - 21:
            for sidecar in pairs.sidecars:
                pairs.mesh.kithctl("certs", "rotate", "--sidecar", sidecar.socket)
            pairs.mesh.control_plane.end(signal.SIGKILL)
            time.sleep(12)
            stale = [sidecar.serial() for sidecar in pairs.sidecars]
            back = time.monotonic()
            pairs.mesh.start()
            for sidecar, serial in zip(pairs.sidecars, stale):
                await_true("renewal", lambda: sidecar.serial() != serial, 10)
            slowest = max(slowest, time.monotonic() - back)
            outages += 1
            time.sleep(8)
        requests, failed = finish(loads)
        closed = past_expiry(pairs)
        return report(requests, failed, started, f"outages: {outages}, slowest renewal after a "
                                                 f"return: {slowest:.2f} s", closed)


def write_tokens(mesh, folder, count):
    folder.mkdir()
    for number in range(count):
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(mesh.socket))
        connection.request("POST", "/v1/tokens", json.dumps(
            {"namespace": "stampede", "serviceAccount": f"s{number}", "ttl": "2h"}))
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        (folder / str(number)).write_text(json.load(answer)["token"])
        connection.close()


def issued(mesh):
    """The second, since 1970, of each certificate of a workload."""
    moments = []
    for line in (mesh.state / "audit.jsonl").read_text().splitlines():
        entry = json.loads(line)
        if entry["event"] == "certificate" and entry["decision"] == "issued":
            text = entry["time"].replace("Z", "+00:00")
            moments.append(datetime.datetime.fromisoformat(text).timestamp())
    return moments


def stampede(seconds=120, count=500):
    """The control plane restarts under sidecars that renew every half minute, more or less."""
    lifetime = 60
    with Mesh() as mesh:
        mesh.start()
        write_tokens(mesh, mesh.directory / "tokens", count)
        clients = Process("clients", [CLIENTS, f"127.0.0.1:{mesh.port}",
                                      mesh.state / "root-cert.pem", mesh.directory / "tokens",
                                      count, lifetime], mesh.directory)
        mesh._extra.append(clients)
        started = time.monotonic()
        await_true("every identity", lambda: f"identities {count}, connected {count}"
                   in clients.log(), lifetime)
        time.sleep(max(0.0, lifetime / 2 - (time.monotonic() - started)))
        steady_from = time.time()
        time.sleep(max(lifetime / 2, seconds / 4))
        killed = time.time()
        mesh.control_plane.end(signal.SIGKILL)
        mesh.start()
        back = time.time()
        time.sleep(max(lifetime / 2, seconds / 4))
        moments = issued(mesh)
        steady = sum(steady_from <= moment < killed for moment in moments) / (killed - steady_from)
        per_second = collections.Counter(int(m - back) for m in moments if m >= back)
        worst = max(per_second.values(), default=0)
        over = sum(n > 2 * steady for n in per_second.values())
        alive = clients.log().splitlines()[-1]
        shown = alive == f"identities {count}, connected {count}"
        return report(len(moments), over, started,
                      f"steady {steady:.1f}/s; away for {back - killed:.1f} s; the busiest second "
                      f"after it: {worst}; at the end: {alive}", shown)


def flips(seconds=60, count=100):
    """Policies change back and forth; a mixture of two versions would let something through."""
    started = time.monotonic()
    with Flips(connections=64) as each:
        requests, wrong, waits = each.run(count, seconds)
        return report(requests, wrong, started,
                      f"{len(waits)} of {count} flips, the slowest in force after "
                      f"{max(waits):.2f} s", len(waits) == count)


def bypass(_=0, count=100_000):
    """Mutated requests for what a DENY policy keeps, to nginx, Apache and Node."""
    started = time.monotonic()
    with Servers() as servers:
        reached = reach(servers, 1000)
        made, stolen = attack(servers, count, seed=int(time.time()))
        for theft in stolen[:20]:
            print(f"    {theft}")
        return report(made, len(stolen), started,
                      f"of 1000 such requests {reached} read it where nothing protects it",
                      reached > 50)


if __name__ == "__main__":
    run = {"rotations": rotations, "root": root, "outage": outage, "stampede": stampede,
           "flips": flips, "bypass": bypass}
    good = run[sys.argv[1]](*(float(sys.argv[2]) if i == 2 else int(sys.argv[i])
                              for i in range(2, len(sys.argv))))
    sys.exit(0 if good else 1)
