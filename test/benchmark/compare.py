"""Interleaved rounds of load through a Kith pair and its peers, as run.sh describes them."""

import argparse
import json
import pathlib
import statistics
import time

import measure
from measure import LOAD_CORE, PAIR_CORE, IdleConnections, cpu_seconds, h2load, pin, tcp_load, wrk
from systems import HaproxyPair, KithPair, NginxPair, Origin
from mesh import Mesh  # systems.py has put its folder on the path.

KEYS = ("http1_cpu_vs_nginx", "http1_cpu_vs_haproxy", "http1_cpu_vs_haproxy_h2", "http1_rps_vs_best",
        "tcp_cpu_vs_nginx", "bulk_cpu_vs_nginx", "single_p50_vs_nginx", "handshake_cpu_vs_nginx",
        "idle_conn_kib_own", "idle_conn_kib_link", "idle_rss_mib", "idle_private_mib",
        "rss_after_burst_ratio")
SETTLE_SECONDS = 10  # Memory goes back once the process is calm.


class Absent(Exception):
    """A figure that cannot be taken here; the text is the cause."""


class Report:
    def __init__(self):
        self.figures, self._rows = dict.fromkeys(KEYS), []

    def ratio(self, name, peer, ours, theirs, unit):
        """Of the rounds' ratios the median counts."""
        ratios = [a / b for a, b in zip(ours, theirs)]
        low, high = measure.spread(ratios)
        self._note(name, statistics.median(ratios))
        self._rows.append((name, f"{statistics.median(ours):.1f} {unit}",
                           f"{peer} {statistics.median(theirs):.1f} {unit}",
                           f"{statistics.median(ratios):.2f}", f"{low:.2f} to {high:.2f}"))

    def value(self, name, value, unit, beside=""):
        self._note(name, value)
        self._rows.append((name, f"{value:.2f} {unit}", beside, "", ""))

    def absent(self, names, cause):
        self._rows += [(name, "absent", cause, "", "") for name in names]

    def _note(self, name, value):
        if name in self.figures:
            self.figures[name] = round(value, 4)

    def print(self):
        print(f"\n{'FIGURE':26}{'KITH':>14}  {'PEER':26}{'RATIO':>6}  MIDDLE HALF")
        for name, ours, theirs, ratio, spread in self._rows:
            print(f"{name:26}{ours:>14}  {theirs:26}{ratio:>6}  {spread}".rstrip())


class Sample:
    """One round of one system."""

    def __init__(self, pair, load):
        before = cpu_seconds(pair.pids)
        outcome = load()
        spent = cpu_seconds(pair.pids) - before
        if not outcome.done:
            raise Absent("not one exchange succeeded; it may not speak this protocol")
        if outcome.failed:
            raise Absent(f"{outcome.failed} of {outcome.done} exchanges failed")
        self.cost = spent * 1e6 / outcome.done
        self.rate = outcome.done / outcome.seconds
        self.p50 = outcome.p50_us


class Benchmark:
    def __init__(self, mesh, own_mesh, rounds, seconds, connections):
        self.mesh, self.rounds, self.seconds, self.idle_connections = (
            mesh, rounds, seconds, connections)
        self.report = Report()
        self.origin = Origin(mesh)
        pin(self.origin.pids, LOAD_CORE)
        self.kith = KithPair(mesh, self.origin)
        # The same without links: a connection of its own for each of the application's.
        self.own_mesh = own_mesh

    def run(self):
        # First what needs sidecars that have carried nothing yet.
        self.idle_process()
        self.kith.await_answers()
        self.kith_own = KithPair(self.own_mesh, self.origin, "links: {mode: OFF}\n")
        self.kith_own.await_answers()
        self.nginx = NginxPair(self.mesh, self.origin)
        self.haproxy = HaproxyPair(self.mesh, self.origin, "http/1.1")
        self.haproxy_h2 = HaproxyPair(self.mesh, self.origin, "h2")
        for scenario, figures in (
                (self.http1, ("http1_cpu_vs_nginx", "http1_cpu_vs_haproxy",
                              "http1_cpu_vs_haproxy_h2", "http1_rps_vs_best")),
                (self.http2, ("http2_cpu_vs_haproxy_h2",)),
                (self.grpc, ("grpc_cpu_vs_nginx", "grpc_cpu_vs_haproxy_h2")),
                (self.tcp, ("tcp_cpu_vs_nginx",)),
                (self.bulk, ("bulk_cpu_vs_nginx", "bulk_http_cpu_vs_nginx", "bulk_own_cpu_vs_nginx")),
                (self.single, ("single_p50_vs_nginx",)),
                (self.handshake, ("handshake_cpu_vs_nginx",)),
                (self.idle_memory, ("idle_conn_kib_own", "idle_conn_kib_link")),
                (self.burst, ("rss_after_burst_ratio",))):
            print(f"{scenario.__name__}: {scenario.__doc__}", flush=True)
            try:
                scenario()
            except (Absent, AssertionError) as error:
                self.report.absent(figures, str(error).splitlines()[0])

    def interleave(self, systems, load):
        """Samples by system. `load(pair)` makes one; the order turns round every time (ABBA)."""
        for name, pair in systems.items():
            try:
                Sample(pair, lambda: load(pair, 1))  # Connections are made, memory is warm.
            except (Absent, AssertionError) as error:
                raise Absent(f"{name}: {str(error).splitlines()[0]}") from error
        samples = {name: [] for name in systems}
        for number in range(self.rounds):
            order = list(systems) if number % 2 == 0 else list(reversed(systems))
            for name in order:
                samples[name].append(Sample(systems[name],
                                            lambda: load(systems[name], self.seconds)))
            told = ", ".join(f"{name} {samples[name][-1].cost:.1f}" for name in systems)
            print(f"  round {number + 1}/{self.rounds}, us of CPU each: {told}", flush=True)
        return samples

    def cpu_ratios(self, samples, figures, unit="us"):
        ours = [sample.cost for sample in samples["kith"]]
        for figure, peer in figures.items():
            self.report.ratio(figure, peer, ours, [sample.cost for sample in samples[peer]], unit)

    def http1(self):
        """HTTP/1.1, keep-alive, 64 connections, bodies of 104 bytes"""
        samples = self.interleave(
            {"kith": self.kith, "nginx": self.nginx, "haproxy": self.haproxy,
             "haproxy_h2": self.haproxy_h2},
            lambda pair, seconds: wrk(pair.ports["http"], 64, seconds))
        self.cpu_ratios(samples, {"http1_cpu_vs_nginx": "nginx", "http1_cpu_vs_haproxy": "haproxy",
                                  "http1_cpu_vs_haproxy_h2": "haproxy_h2"})
        rates = {name: [sample.rate for sample in each] for name, each in samples.items()}
        best = max(("nginx", "haproxy"), key=lambda name: statistics.median(rates[name]))
        self.report.ratio("http1_rps_vs_best", best, rates["kith"], rates[best], "/s")

    def http2(self):
        """HTTP/2 all the way, 8 connections of 8 streams"""
        self.cpu_ratios(self.interleave(
            {"kith": self.kith, "haproxy_h2": self.haproxy_h2},
            lambda pair, seconds: h2load(pair.ports["h2"], seconds)),
            {"http2_cpu_vs_haproxy_h2": "haproxy_h2"})

    def grpc(self):
        """unary gRPC, 8 connections of 8 streams"""
        message = self.mesh.directory / "grpc-message"
        message.write_bytes(b"\0" + (99).to_bytes(4, "big") + b"x" * 99)
        self.cpu_ratios(self.interleave(
            {"kith": self.kith, "nginx": self.nginx, "haproxy_h2": self.haproxy_h2},
            lambda pair, seconds: h2load(pair.ports["grpc"], seconds, "--data", message,
                                         "--header", "content-type: application/grpc",
                                         "--header", "te: trailers")),
            {"grpc_cpu_vs_nginx": "nginx", "grpc_cpu_vs_haproxy_h2": "haproxy_h2"})

    def tcp(self):
        """opaque TCP, 64 connections, messages of 104 bytes there and back; nginx stream"""
        self.cpu_ratios(self.interleave(
            {"kith": self.kith, "nginx": self.nginx},
            lambda pair, seconds: tcp_load("pingpong", pair.ports["tcp"], 64, seconds)),
            {"tcp_cpu_vs_nginx": "nginx"})

    def bulk(self):
        """bodies of 1 MiB, 16 connections: opaque TCP beside nginx stream, then HTTP beside nginx, and TCP
        without links"""
        systems = {"kith": self.kith, "nginx": self.nginx}
        for figure, port in (("bulk_cpu_vs_nginx", "bulk"), ("bulk_http_cpu_vs_nginx", "http")):
            self.cpu_ratios(self.interleave(
                systems, lambda pair, seconds: wrk(pair.ports[port], 16, seconds, "/1m")),
                {figure: "nginx"})
        own = {"kith": self.kith_own, "nginx": self.nginx}
        self.cpu_ratios(self.interleave(
            own, lambda pair, seconds: wrk(pair.ports["bulk"], 16, seconds, "/1m")),
            {"bulk_own_cpu_vs_nginx": "nginx"})

    def single(self):
        """one connection, everything on one core: the median latency"""
        pin(self.origin.pids, PAIR_CORE)
        try:
            samples = self.interleave(
                {"kith": self.kith, "nginx": self.nginx},
                lambda pair, seconds: wrk(pair.ports["http"], 1, seconds, core=PAIR_CORE))
        finally:
            pin(self.origin.pids, LOAD_CORE)
        p50 = {name: [sample.p50 for sample in each] for name, each in samples.items()}
        self.report.ratio("single_p50_vs_nginx", "nginx", p50["kith"], p50["nginx"], "us")

    def handshake(self):
        """opaque TCP, a new connection and a full mutual handshake for each message"""
        before, done = self.kith_own.handshakes(), 0

        def load(pair, seconds):
            nonlocal done
            outcome = tcp_load("connect", pair.ports["handshake"], 16, seconds)
            done += outcome.done if pair is self.kith_own else 0
            return outcome

        samples = self.interleave({"kith": self.kith_own, "nginx": self.nginx}, load)
        made = self.kith_own.handshakes() - before
        if made < 0.95 * done:
            raise Absent(f"{done} connections made only {made:.0f} handshakes")
        self.cpu_ratios(samples, {"handshake_cpu_vs_nginx": "nginx"})

    def idle_process(self):
        """sidecars that have carried nothing"""
        resident, private = zip(*(measure.memory_kib(pid) for pid in self.kith.pids))
        self.idle_rss = resident
        self.report.value("idle_rss_mib", max(resident) / 1024, "MiB")
        self.report.value("idle_private_mib", max(private) / 1024, "MiB")

    def idle_memory(self):
        """idle opaque connections: growth of private memory per connection and proxy"""
        peer = self.growth(self.nginx)
        for figure, pair in (("idle_conn_kib_own", self.kith_own), ("idle_conn_kib_link", self.kith)):
            self.report.value(figure, self.growth(pair), "KiB", f"nginx {peer:.2f} KiB")

    def growth(self, pair):
        """KiB, with all the idle connections open."""
        def private():  # Not resident: code that is used again for the first time would count.
            return sum(measure.memory_kib(pid)[1] for pid in pair.pids)
        before = private()
        idle = IdleConnections(pair.ports["tcp"], self.idle_connections)
        time.sleep(1)
        grown = private() - before
        idle.close()
        return grown / self.idle_connections / 2

    def burst(self):
        """resident memory after a burst, by that before the first connection"""
        wrk(self.kith.ports["http"], 512, 3)
        wrk(self.kith.ports["http"], 32, 2, "/1m")
        IdleConnections(self.kith.ports["tcp"], self.idle_connections).close()
        time.sleep(SETTLE_SECONDS)
        after = [measure.memory_kib(pid)[0] for pid in self.kith.pids]
        self.report.value("rss_after_burst_ratio", max(a / b for a, b in zip(after, self.idle_rss)),
                          "x", f"{max(after) / 1024:.1f} MiB after")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--seconds", type=int, required=True)
    parser.add_argument("--idle-connections", type=int, required=True)
    parser.add_argument("--json", type=pathlib.Path)
    arguments = parser.parse_args()
    with Mesh() as mesh, Mesh() as own_mesh:
        benchmark = Benchmark(mesh, own_mesh, arguments.rounds, arguments.seconds,
                              arguments.idle_connections)
        try:
            benchmark.run()
        finally:
            benchmark.origin.close()
        benchmark.report.print()
        if arguments.json:
            arguments.json.write_text(json.dumps(benchmark.report.figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
