"""The mesh's root is replaced under load, at any point by a control plane that is killed, and no
request fails; afterwards nothing of the old root is of any use."""

import shutil
import signal
import socket
import ssl
import time
import unittest

from mesh import Load, Mesh, allow, await_true, documents, request, service

HOST = "backend.demo.svc.cluster.local"


class RootRotationTest(unittest.TestCase):
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

    def rotation(self):
        return self.mesh.kithctl("ca", "rotate", "status")

    def await_phase(self, phase, seconds=20):
        return await_true(phase, lambda: (state := self.rotation())["phase"] == phase and state,
                          seconds)

    def roots(self, workload):
        return [root["serial"] for root in workload.certs()["roots"]]

    def handshake(self, certificate, key):
        """Whether the backend takes this client certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.load_cert_chain(certificate, key)
        context.set_alpn_protocols(["istio-http/1.1", "istio"])
        try:
            with socket.create_connection(("127.0.0.1", self.backend.inbound[self.app]), 5) as tcp:
                with context.wrap_socket(tcp) as tls:
                    tls.sendall(b"GET / HTTP/1.1\r\nHost: backend\r\nConnection: close\r\n\r\n")
                    return tls.recv(64).startswith(b"HTTP/1.1 200")
        except (ssl.SSLError, OSError):
            return False

    def old_leaf(self):
        """A leaf of the present root that outlives its rotation: signed with a copy of its key."""
        return self.mesh.sign_leaf("old", "spiffe://cluster.local/ns/demo/sa/frontend")

    def test_replaces_the_root_under_load_without_a_failed_request(self):
        self.start("4s")
        before = self.rotation()
        old_root = before["signer"]
        certificate, key = self.old_leaf()
        self.assertTrue(self.handshake(certificate, key))
        load = Load(self.through, 18)
        self.mesh.kithctl("ca", "rotate", "start")
        # Killed in the middle, it goes on where it was.
        self.await_phase("reissuing")
        self.mesh.control_plane.end(signal.SIGKILL)
        self.mesh.start()
        state = self.await_phase("idle", 25)
        self.assertNotEqual(state["signer"], old_root)
        self.assertEqual([root["keyId"] for root in state["roots"]], [state["signer"]])
        for workload in (self.frontend, self.backend):
            self.assertEqual(len(self.roots(workload)), 1)
            self.assertGreaterEqual(workload.metric("kith_trust_bundle_generation"),
                                    before["generation"] + 3)
        requests, failed = load.finish()
        self.assertEqual(failed, 0)
        self.assertGreater(requests, 1000)
        for _ in range(20):
            self.assertFalse(self.handshake(certificate, key), "a leaf of the old root passes")
        self.assertEqual(request(self.through).status, 200)
        # Whoever starts now is given the present bundle, and finds it in the file it always had.
        late = self.mesh.add("late", outbound=[(HOST, 80)])
        await_true("the late one's way", lambda: request(late.outbound[HOST]).status == 200)

    def test_waits_for_a_person_when_told_and_goes_back_when_asked(self):
        self.start("2s")
        old = self.rotation()["signer"]
        self.mesh.kithctl("ca", "rotate", "start", "--manual", "--key-type", "P-384")
        with self.assertRaisesRegex(AssertionError, "is adding"):
            self.mesh.kithctl("ca", "rotate", "start")
        await_true("nothing to wait for", lambda: not self.rotation()["waitsFor"])
        self.assertEqual(self.rotation()["phase"], "adding")
        state = self.mesh.kithctl("ca", "rotate", "continue")
        self.assertEqual(state["phase"], "reissuing")
        # While certificates of the old root live, it is not removed.
        with self.assertRaisesRegex(AssertionError, "still waits for"):
            self.mesh.kithctl("ca", "rotate", "continue")
        await_true("certificates of the new root", lambda: all(
            w["rootKeyId"] == state["signer"] for w in self.rotation()["workloads"]))
        self.assertEqual(request(self.through).status, 200)
        self.mesh.kithctl("ca", "rotate", "abort")
        await_true("nothing to wait for", lambda: not self.rotation()["waitsFor"])
        self.mesh.kithctl("ca", "rotate", "continue")
        state = self.await_phase("idle")
        self.assertEqual(state["signer"], old)
        await_true("requests pass", lambda: request(self.through).status == 200)

    def test_says_so_to_a_sidecar_that_starts_with_the_roots_of_before(self):
        self.start("2s")
        stale = self.mesh.directory / "stale.pem"
        shutil.copy(self.mesh.state / "root-cert.pem", stale)
        late = self.mesh.add("late", outbound=[(HOST, 80)], start=False)
        late.config_path.write_text(late.config_path.read_text().replace(
            str(self.mesh.state / "root-cert.pem"), str(stale)))
        self.mesh.kithctl("ca", "rotate", "start")
        await_true("begun", lambda: self.rotation()["phase"] != "idle")
        self.await_phase("idle")
        late.start()
        await_true("it says what to do", lambda: "root has been rotated" in late.process.log())
        shutil.copy(self.mesh.state / "root-cert.pem", stale)
        late.await_ready()  # Without a restart.


if __name__ == "__main__":
    unittest.main()
