"""What a TrustPolicy asks of TLS and certificates, from outside; and break-glass, which for a time
asks less."""

import hashlib
import signal
import socket
import ssl
import subprocess
import unittest

from mesh import Mesh, allow, await_true, documents, peer_authentication, request, service

HOST = "backend.demo.svc.cluster.local"
PARTNER = "spiffe://cluster.local/ns/demo/sa/partner"


def trust_policy(spec):
    """A TrustPolicy for the backend; `spec` is YAML, indented by two."""
    return f"""
apiVersion: mesh.kith.dev/v1alpha1
kind: TrustPolicy
metadata: {{name: backend, namespace: demo}}
spec:
  selector: {{matchLabels: {{app: backend}}}}
{spec}
"""


def mesh_of(app):
    return documents(service("backend", app), peer_authentication("STRICT"),
                     allow("everyone", "backend", "  - {}"))


class TrustPolicyTest(unittest.TestCase):
    def setUp(self):
        self.mesh = Mesh()
        self.addCleanup(self.mesh.__exit__, None)
        self.app, _ = self.mesh.nginx("location / { return 200 ok; }")
        self.mesh.write("mesh.yaml", mesh_of(self.app))
        self.mesh.start()
        self.backend = self.mesh.add("backend", inbound=[(self.app, "HTTP")])
        self.good = self.mesh.sign_leaf("good", PARTNER)
        await_true("the policies have come", lambda: self.get(self.good))

    def get(self, credentials=None, highest=ssl.TLSVersion.TLSv1_3):
        """Whether a client with these files of certificate and key gets its answer."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.maximum_version = highest
        if credentials:
            context.load_cert_chain(*credentials)
        try:
            port = self.backend.inbound[self.app]
            with socket.create_connection(("127.0.0.1", port), 5) as tcp:
                with context.wrap_socket(tcp) as tls:
                    tls.sendall(b"GET / HTTP/1.1\r\nHost: backend\r\nConnection: close\r\n\r\n")
                    return tls.recv(64).startswith(b"HTTP/1.1 200")
        except (ssl.SSLError, OSError):
            return False

    def failures(self, reason):
        return self.backend.metric("kith_tls_handshakes_total", result="failed", reason=reason)

    def refused(self, reason, **how):
        before = self.failures(reason)
        self.assertFalse(self.get(**how))
        await_true(f"{reason} is counted", lambda: self.failures(reason) > before)

    def foreign(self):
        other = Mesh()
        self.addCleanup(other.__exit__, None)
        other.start()
        return other.sign_leaf("foreign", PARTNER)

    def test_asks_for_certificates_by_port(self):
        foreign = self.foreign()
        self.refused("no_client_certificate")
        self.mesh.write("trust.yaml", trust_policy(
            f"  portClientCertificates: {{{self.app}: WANT}}"))
        await_true("a client without a certificate passes", self.get)
        self.assertTrue(self.get(self.good))
        self.refused("unknown_root", credentials=foreign)
        self.mesh.write("trust.yaml", trust_policy(
            f"  portClientCertificates: {{{self.app}: NONE}}"))
        await_true("nobody is asked any more", lambda: self.get(foreign))
        self.assertTrue(self.get())

    def test_holds_a_peer_to_its_pins(self):
        other = self.mesh.sign_leaf("other-key", PARTNER)
        self.assertTrue(self.get(other))
        key = subprocess.run(["openssl", "pkey", "-in", self.good[1], "-pubout", "-outform", "DER"],
                             check=True, capture_output=True).stdout
        self.mesh.write("trust.yaml", trust_policy(
            f"  pins:\n  - principals: [\"{PARTNER}\"]\n    publicKeys:\n"
            f"    - \"{hashlib.sha256(key).hexdigest()}\"\n    - \"{'0' * 64}\"\n"))
        await_true("the pins are in force", lambda: not self.get(other))
        self.refused("pin_mismatch", credentials=other)
        self.assertTrue(self.get(self.good))

    def test_asks_for_a_version_of_tls(self):
        older = {"credentials": self.good, "highest": ssl.TLSVersion.TLSv1_2}
        self.refused("protocol_version", **older)
        self.mesh.write("trust.yaml", trust_policy("  minVersion: TLS1_2"))
        await_true("TLS 1.2 is spoken", lambda: self.get(**older))
        self.mesh.write("trust.yaml", trust_policy("  minVersion: TLS1_3"))
        await_true("and no longer", lambda: not self.get(**older))
        self.assertTrue(self.get(self.good))


class BreakGlassTest(unittest.TestCase):
    def test_keeps_a_workload_serving_when_certificates_have_ended(self):
        mesh = Mesh(leaf_lifetime="4s")
        self.addCleanup(mesh.__exit__, None)
        app, _ = mesh.nginx("location / { return 200 ok; }")
        mesh.write("mesh.yaml", mesh_of(app))
        mesh.start()
        permitted = "breakGlass:\n  permitted: true\n"
        backend = mesh.add("backend", inbound=[(app, "HTTP")], extra=permitted)
        frontend = mesh.add("frontend", outbound=[(HOST, 80)], extra=permitted)
        plain = mesh.add("plain", outbound=[(HOST, 80)])

        def status(workload):
            return request(workload.outbound[HOST]).status

        await_true("the way to the backend", lambda: status(frontend) == 200)
        mesh.control_plane.end(signal.SIGKILL)
        await_true("the certificates end", lambda: status(frontend) == 503, 10)

        def break_glass(workload, *arguments):
            return mesh.kithctl("break-glass", *arguments, "--sidecar", workload.socket)

        with self.assertRaises(AssertionError, msg="its bootstrap does not permit it"):
            break_glass(plain, "start", "--for", "1m", "--reason", "test")
        for workload in (backend, frontend):
            break_glass(workload, "start", "--for", "1m", "--reason", "the authority is down")
        await_true("the ended certificates pass", lambda: status(frontend) == 200, 5)
        self.assertEqual(frontend.metric("kith_break_glass_active"), 1)
        self.assertEqual(status(plain), 503, "who has not broken the glass goes on refusing")
        for workload in (backend, frontend):
            break_glass(workload, "end")
        await_true("and no longer", lambda: status(frontend) == 503, 5)
        mesh.start()
        await_true("healed without a restart", lambda: status(frontend) == 200, 10)


if __name__ == "__main__":
    unittest.main()
