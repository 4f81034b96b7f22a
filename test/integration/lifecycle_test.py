"""Certificates rotate, the control plane dies, sidecars come and go: and no request fails."""

import collections
import datetime
import json
import signal
import time
import unittest

from capture import Capture
from mesh import Load, Mesh, allow, await_true, documents, metric_labels, request, service

HOST = "backend.demo.svc.cluster.local"


def expiry(workload):
    """When the certificate that the workload serves ends, in seconds since 1970."""
    text = workload.certs()["chain"][0]["notAfter"]
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


class LifecycleTest(unittest.TestCase):
    def start(self, lifetime):
        self.mesh = Mesh(leaf_lifetime=lifetime)
        self.addCleanup(self.mesh.__exit__, None)
        self.app, _ = self.mesh.nginx("location / { return 200 ok; }")
        self.mesh.write("mesh.yaml", documents(service("backend", self.app),
                                               allow("everyone", "backend", "  - {}")))
        self.mesh.start()
        self.backend = self.mesh.add("backend", inbound=[(self.app, "HTTP")])
        self.frontend = self.mesh.add("frontend", outbound=[(HOST, 80)])
        self.through = self.frontend.outbound[HOST]
        await_true("the way to the backend", lambda: request(self.through).status == 200)

    def reasons(self):
        """Why requests failed, as the frontend's sidecar logged it."""
        lines = map(json.loads, self.frontend.access_log.read_text().splitlines())
        return collections.Counter((line.get("status"), line.get("reason"), line.get("detail"))
                                   for line in lines if "reason" in line).most_common(5)

    def rotations(self, workload):
        return workload.metric("kith_identity_rotations_total", result="ok")

    def test_loses_no_request_while_both_sides_rotate_every_second(self):
        self.start("2s")
        before = self.rotations(self.frontend), self.rotations(self.backend)
        load = Load(self.through, 10)
        serials = set()
        for _ in range(20):
            serials |= metric_labels(self.backend.metrics_port,
                                     "kith_tls_handshakes_by_certificate_total", "serial")
            time.sleep(0.45)
        requests, failed = load.finish()
        self.assertEqual(failed, 0, self.reasons())
        self.assertGreater(requests, 1000)
        for workload, count in zip((self.frontend, self.backend), before):
            self.assertGreater(self.rotations(workload) - count, 5)
        # New handshakes present the new leaves.
        self.assertGreater(len(serials), 4)
        self.assertIn(self.backend.serial(), metric_labels(
            self.backend.metrics_port, "kith_certificate_not_after_timestamp_seconds", "serial"))

    def test_loses_no_request_while_the_control_plane_is_killed_and_renews_after_its_return(self):
        self.start("24s")
        for workload in (self.frontend, self.backend):
            self.mesh.kithctl("certs", "rotate", "--sidecar", workload.socket)
        load = Load(self.through, 26)
        self.mesh.control_plane.end(signal.SIGKILL)
        time.sleep(13)  # Past half of the life, when renewal is due; the rest is left to come back.
        stale = self.backend.serial(), self.frontend.serial()
        self.assertFalse(self.backend.status()["controlPlane"]["connected"])
        back = time.monotonic()
        self.mesh.start()
        for workload, serial in zip((self.backend, self.frontend), stale):
            await_true(f"{workload.name} renews", lambda: workload.serial() != serial, 5)
        self.assertLess(time.monotonic() - back, 6)
        requests, failed = load.finish()
        self.assertEqual(failed, 0, self.reasons())
        self.assertGreater(requests, 1000)

    def test_fails_closed_past_expiry_and_heals_without_a_restart(self):
        self.start("6s")
        secret = "/a-word-that-nobody-may-read"
        with Capture(self.backend.inbound[self.app], [secret, "HTTP/1.1"]) as wire:
            self.mesh.control_plane.end(signal.SIGKILL)
            ends = min(expiry(workload) for workload in (self.frontend, self.backend))
            last_good = time.time()
            while time.time() < ends + 2:
                if request(self.through, secret).status == 200:
                    last_good = time.time()
                time.sleep(0.02)
            self.assertLess(last_good, ends + 1)
            self.assertIn(self.frontend.logged(status=503)["reason"],
                          ("certificate_expired", "alert_received", "no_identity",
                           "upstream_reset"))
            back = time.monotonic()
            self.mesh.start()
            ready = time.monotonic()
            await_true("requests pass again", lambda: request(self.through).status == 200, 10)
            self.assertLess(time.monotonic() - max(ready, back), 5)
        self.assertGreater(wire.segments, 0)
        self.assertEqual(wire.found, [])

    def test_rotates_on_demand_with_a_new_key(self):
        self.start("1h")
        serial = self.backend.serial()
        rotated = self.mesh.kithctl("certs", "rotate", "--sidecar", self.backend.socket)
        self.assertNotEqual(rotated["chain"][0]["serial"], serial)
        self.assertEqual(rotated["generation"], 2)

    def test_endpoints_appear_and_vanish_by_themselves(self):
        self.start("1h")
        second = self.mesh.add("backend-2", "backend", inbound=[(self.app, "HTTP")])

        def endpoints():
            ports = self.frontend.status()["config"]["services"][0]["ports"]
            return {endpoint["workload"] for endpoint in ports[0]["endpoints"]}

        await_true("two endpoints", lambda: endpoints() == {"demo/backend", "demo/backend-2"})
        load = Load(self.through, 4)
        time.sleep(1)
        self.assertEqual(second.process.end(signal.SIGTERM), 0)
        await_true("one endpoint", lambda: endpoints() == {"demo/backend"})
        requests, failed = load.finish()
        self.assertEqual(failed, 0, self.reasons())
        self.assertGreater(requests, 1000)

    def test_starts_again_with_the_same_root_after_everything_ended(self):
        self.start("1h")
        root = self.backend.certs()["roots"][0]["serial"]
        for workload in (self.frontend, self.backend):
            self.assertEqual(workload.process.end(signal.SIGTERM), 0)
        self.assertEqual(self.mesh.control_plane.end(signal.SIGTERM), 0)
        self.mesh.start()
        for workload in (self.backend, self.frontend):
            workload.start().await_ready()
        await_true("requests pass again", lambda: request(self.through).status == 200)
        self.assertEqual(self.backend.certs()["roots"][0]["serial"], root)


if __name__ == "__main__":
    unittest.main()
