"""The certificate authority as people use it: revocation, its audit log, and offline; openssl reads
what it makes."""

import json
import pathlib
import subprocess
import tempfile
import unittest

from mesh import KITHCTL, Mesh, await_true, free_port, request


def kithctl(*arguments, code=0, **options):
    done = subprocess.run([KITHCTL, *map(str, arguments)], capture_output=True, text=True,
                          timeout=30, **options)
    assert done.returncode == code, f"kithctl {arguments}: {done.returncode} {done.stderr}"
    return done.stdout if code == 0 else done.stderr


def openssl(*arguments, code=0, **options):
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True,
                          timeout=30, **options)
    assert done.returncode == code, f"openssl {arguments}: {done.stdout} {done.stderr}"
    return done.stdout


class RevocationTest(unittest.TestCase):
    def setUp(self):
        self.mesh = Mesh()
        self.addCleanup(self.mesh.__exit__, None)
        self.mesh.start()
        self.audit = self.mesh.state / "audit.jsonl"

    def crl(self):
        """The published list as openssl reads it, its signature checked."""
        path = self.mesh.directory / "list.crl"
        path.write_bytes(request(self.mesh.metrics_port, "/crl").body)
        return openssl("crl", "-inform", "DER", "-in", path, "-CAfile",
                       self.mesh.state / "root-cert.pem", "-noout", "-text")

    def test_publishes_a_revoked_certificate_and_issues_nothing_to_a_revoked_principal(self):
        workload = self.mesh.add("backend", inbound=[(free_port(), "HTTP")])
        self.assertIn("No Revoked Certificates", self.crl())
        serial = workload.serial()
        answer = self.mesh.kithctl("ca", "revoke", "--principal", workload.spiffe_id, "--reason",
                                   "keyCompromise")
        self.assertIn(serial, [each["serial"] for each in answer["revoked"]])
        text = self.crl()
        self.assertIn(serial.upper(), text)
        self.assertIn("Key Compromise", text)

        # Every list is in one file too.
        pem = request(self.mesh.metrics_port, "/crl.pem").body.decode()
        self.assertEqual(pem.count("BEGIN X509 CRL"), 1)

        done = subprocess.run([KITHCTL, "certs", "rotate", "--sidecar", workload.socket,
                               "--timeout", "2"], capture_output=True, text=True, timeout=30)
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(workload.serial(), serial)

        # All of it outlives a restart.
        self.mesh.control_plane.end()
        self.mesh.start()
        self.assertEqual(self.crl(), text)
        shown = self.mesh.kithctl("ca", "revocations")
        self.assertEqual([each["principal"] for each in shown["principals"]],
                         [workload.spiffe_id])

        self.mesh.kithctl("ca", "unrevoke", "--principal", workload.spiffe_id)
        await_true("a new certificate", lambda: workload.serial() != serial, 30)
        self.assertIn(serial.upper(), self.crl())

        lines = [json.loads(line) for line in kithctl(
            "-o", "json", "ca", "audit", "show", self.audit, "--principal",
            workload.spiffe_id).splitlines()]
        decisions = [line["decision"] for line in lines]
        for decision in ("issued", "revoked", "restored"):
            self.assertIn(decision, decisions)

    def ocsp(self, serial, *extra):
        root = self.mesh.state / "root-cert.pem"
        return openssl("ocsp", "-issuer", root, "-CAfile", root, "-serial", f"0x{serial}", "-url",
                       f"http://127.0.0.1:{self.mesh.metrics_port}/ocsp", *extra)

    def test_answers_ocsp_for_its_own_certificates(self):
        serial = self.mesh.add("backend", inbound=[(free_port(), "HTTP")]).serial()
        for extra in ((), ("-no_nonce",), ("-no_nonce",)):
            self.assertIn(f"0x{serial}: good", self.ocsp(serial, *extra))
        self.assertIn("0x0a0b: unknown", self.ocsp("0a0b"))
        self.mesh.kithctl("ca", "revoke", serial, "--reason", "superseded")
        for extra in ((), ("-no_nonce",)):
            text = self.ocsp(serial, *extra)
            self.assertIn(f"0x{serial}: revoked", text)
            self.assertIn("Reason: superseded", text)
        bad = request(self.mesh.metrics_port, "/ocsp", "POST", b"0x")
        self.assertEqual(bad.body, bytes.fromhex("30030a0101"))

    def test_refuses_a_serial_it_never_issued_and_a_reason_nobody_knows(self):
        socket = ("--control-plane", self.mesh.socket)
        self.assertIn("no certificate that was issued here",
                      kithctl(*socket, "ca", "revoke", "0a0b", code=1))
        self.assertIn("keyCompromise",
                      kithctl(*socket, "ca", "revoke", "0a0b", "--reason", "mood", code=1))
        kithctl(*socket, "ca", "revoke", code=64)

    def test_finds_what_was_changed_in_the_audit_log(self):
        self.mesh.add("backend", inbound=[(free_port(), "HTTP")])
        self.mesh.control_plane.end()
        intact = json.loads(kithctl("-o", "json", "ca", "audit", "verify", self.audit))
        self.assertGreaterEqual(intact["lines"], 3)
        kithctl("ca", "audit", "verify", self.audit, "--head", intact["head"])

        good = self.audit.read_text()
        lines = good.splitlines(keepends=True)
        self.audit.write_text("".join(lines[:-1]))
        self.assertIn("cut off", kithctl("ca", "audit", "verify", self.audit, "--head",
                                         intact["head"], code=65))
        self.audit.write_text("".join(lines[:1] + lines[2:]))
        self.assertIn("line 2", kithctl("ca", "audit", "verify", self.audit, code=65))
        self.audit.write_text(good.replace("backend", "badkend", 1))
        self.assertIn("was changed", kithctl("ca", "audit", "verify", self.audit, code=65))


class OfflineTest(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory(prefix="kith-test-")
        self.addCleanup(temporary.cleanup)
        self.directory = pathlib.Path(temporary.name)
        self.ca = self.directory / "ca"

    def request(self, *key):
        """A key of the workload's and a request for it."""
        self.key, self.csr = self.directory / "key.pem", self.directory / "csr.pem"
        openssl("genpkey", *key, "-out", self.key)
        openssl("req", "-new", "-key", self.key, "-subj", "/CN=ignored", "-out", self.csr)

    def test_makes_an_authority_whose_certificates_openssl_verifies(self):
        keys = {"P-256": ("-algorithm", "ED25519"),
                "P-384": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"),
                "RSA-2048": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")}
        for kind, key in keys.items():
            with self.subTest(kind):
                ca, leaf = self.directory / kind, self.directory / f"{kind}.pem"
                kithctl("ca", "init", ca, "--key-type", kind, "--intermediate-days", "30")
                self.assertEqual((ca / "root-key.pem").stat().st_mode & 0o777, 0o600)
                self.request(*key)
                kithctl("ca", "sign-csr", "--ca-cert", ca / "ca-cert.pem", "--ca-key",
                        ca / "ca-key.pem", "--csr", self.csr, "--spiffe-id",
                        "spiffe://cluster.local/ns/demo/sa/partner", "--out", leaf)
                for purpose in ("sslclient", "sslserver"):
                    openssl("verify", "-x509_strict", "-purpose", purpose, "-CAfile",
                            ca / "root-cert.pem", "-untrusted", leaf, leaf)
                shown = json.loads(kithctl("-o", "json", "ca", "inspect", leaf))["certificates"]
                self.assertEqual(shown[0]["names"],
                                 ["URI:spiffe://cluster.local/ns/demo/sa/partner"])
                self.assertEqual(shown[0]["subject"], "")
                self.assertEqual([each["ca"] for each in shown], [False, True])
                self.assertEqual(shown[1]["pathLength"], 0)

    def test_makes_client_certificates_that_are_no_servers(self):
        kithctl("ca", "init", self.ca)
        self.request("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
        leaf = self.directory / "leaf.pem"
        kithctl("ca", "sign-csr", "--ca-cert", self.ca / "root-cert.pem", "--ca-key",
                self.ca / "root-key.pem", "--csr", self.csr, "--spiffe-id",
                "spiffe://cluster.local/ns/demo/sa/partner", "--kind", "client", "--out", leaf)
        root = self.ca / "root-cert.pem"
        openssl("verify", "-purpose", "sslclient", "-CAfile", root, leaf)
        openssl("verify", "-purpose", "sslserver", "-CAfile", root, leaf, code=2)

    def test_exports_what_openssl_imports(self):
        kithctl("ca", "init", self.ca)
        self.request("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
        leaf, out = self.directory / "leaf.pem", self.directory / "leaf.p12"
        kithctl("ca", "sign-csr", "--ca-cert", self.ca / "root-cert.pem", "--ca-key",
                self.ca / "root-key.pem", "--csr", self.csr, "--dns", "partner.example", "--kind",
                "server", "--out", leaf)
        password = self.directory / "password"
        password.write_text("correct horse\n")
        kithctl("ca", "export", "--cert", leaf, "--key", self.key, "--password-file", password,
                "--out", out)
        self.assertEqual(out.stat().st_mode & 0o777, 0o600)
        text = openssl("pkcs12", "-in", out, "-passin", f"file:{password}", "-nodes")
        self.assertIn("BEGIN CERTIFICATE", text)
        self.assertIn("BEGIN PRIVATE KEY", text)
        openssl("pkcs12", "-in", out, "-passin", "pass:wrong", "-nodes", code=1)

    def test_never_writes_over_a_key_and_names_what_does_not_fit(self):
        kithctl("ca", "init", self.ca)
        before = (self.ca / "root-key.pem").read_text()
        self.assertIn("root-key.pem: it is there already", kithctl("ca", "init", self.ca, code=1))
        self.assertEqual((self.ca / "root-key.pem").read_text(), before)
        self.assertIn("P-256, P-384", kithctl("ca", "init", self.directory / "other", "--key-type",
                                              "P-521", code=65))
        other = self.directory / "other"
        kithctl("ca", "init", other)
        self.request("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
        self.assertIn("not that of its first certificate", kithctl(
            "ca", "sign-csr", "--ca-cert", self.ca / "root-cert.pem", "--ca-key",
            other / "root-key.pem", "--csr", self.csr, "--dns", "x", code=65))
        self.assertIn("no certificate in PEM", kithctl("ca", "inspect", self.csr, code=65))


if __name__ == "__main__":
    unittest.main()
