"""Clocks that are wrong: 20 s apart nothing fails; one that jumps by an hour costs certificates,
not the program: it neither spins nor needs a restart.

The real programs run under libfaketime (Debian's package faketime), which moves the wall clock only:
timers run on the monotonic one."""

import os
import pathlib
import time
import unittest

import mesh as programs
from mesh import Mesh, Process, allow, await_true, documents, request, service

HOST = "backend.demo.svc.cluster.local"


def library():
    return next(iter(pathlib.Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), None)


class FakeClock:
    """A wall clock that a program started through it follows: seconds from the true one."""

    def __init__(self, directory, name):
        self.file = directory / f"clock-{name}"
        self.set(0)

    def set(self, seconds):
        temporary = self.file.with_suffix(".new")
        temporary.write_text(f"{seconds:+d}\n")
        temporary.rename(self.file)

    def command(self, *command):
        return ["env", f"LD_PRELOAD={library()}", f"FAKETIME_TIMESTAMP_FILE={self.file}",
                "FAKETIME_DONT_FAKE_MONOTONIC=1", "FAKETIME_CACHE_DURATION=1", *command]


def cpu_seconds(process):
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class ClockTest(unittest.TestCase):
    def setUp(self):
        self.assertIsNotNone(library(), "install Debian's package faketime")
        self.mesh = Mesh(leaf_lifetime="1h")
        self.addCleanup(self.mesh.__exit__, None)
        self.app, _ = self.mesh.nginx("location / { return 200 ok; }")
        self.mesh.write("mesh.yaml", documents(service("backend", self.app),
                                               allow("everyone", "backend", "  - {}")))

    def start(self, workload, clock):
        workload.process = Process(
            f"sidecar-{workload.name}",
            clock.command(programs.SIDECAR, "--config", workload.config_path),
            self.mesh.directory)

    def add(self, name, clock, **ports):
        workload = self.mesh.add(name, start=False, **ports)
        self.start(workload, clock)
        return workload.await_ready()

    def test_fails_nothing_while_clocks_are_20_seconds_apart(self):
        self.mesh.start()
        ahead, behind = (FakeClock(self.mesh.directory, name) for name in ("ahead", "behind"))
        ahead.set(20)
        behind.set(-20)
        self.add("backend", ahead, inbound=[(self.app, "HTTP")])
        frontend = self.add("frontend", behind, outbound=[(HOST, 80)])
        port = frontend.outbound[HOST]
        await_true("the way to the backend", lambda: request(port).status == 200)
        for _ in range(3):
            for workload in self.mesh.workloads:
                self.mesh.kithctl("certs", "rotate", "--sidecar", workload.socket)
            statuses = [request(port).status for _ in range(20)]
            self.assertEqual(set(statuses), {200})

    def test_outlives_jumps_of_an_hour_without_a_spin_or_a_restart(self):
        self.mesh.start()
        clock = FakeClock(self.mesh.directory, "backend")
        backend = self.add("backend", clock, inbound=[(self.app, "HTTP")])
        frontend = self.mesh.add("frontend", outbound=[(HOST, 80)])
        port = frontend.outbound[HOST]
        await_true("the way to the backend", lambda: request(port).status == 200)
        for jump in (3600 + 600, 0, -3600, 0):
            clock.set(jump)
            before, began = cpu_seconds(backend.process), time.monotonic()
            time.sleep(2)
            spent = (cpu_seconds(backend.process) - before) / (time.monotonic() - began)
            self.assertLess(spent, 0.5, f"after a jump to {jump:+d} s it spins")
            self.assertTrue(backend.process.running)
        await_true("with the true time again, the way to the backend",
                   lambda: request(port).status == 200, 20)


if __name__ == "__main__":
    unittest.main()
