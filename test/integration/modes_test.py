"""A port takes what its PeerAuthentication mode says, and bad bytes get an answer or a close, a
reason and a metric, while everything else goes on."""

import os
import socket
import subprocess
import unittest

from mesh import (Mesh, allow, await_true, documents, peer_authentication, raw, request, service)

HOST = "backend.demo.svc.cluster.local"


class ModesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.mesh = Mesh()
        cls.addClassCleanup(cls.mesh.__exit__, None)
        cls.app, _ = cls.mesh.nginx("location / { return 200 ok; }")
        cls.mesh.write("mesh.yaml", documents(service("backend", cls.app),
                                              allow("everyone", "backend", "  - {}")))
        cls.mesh.write("mode.yaml", peer_authentication("STRICT"))
        cls.mesh.start()
        cls.backend = cls.mesh.add("backend", inbound=[(cls.app, "HTTP")])
        cls.frontend = cls.mesh.add("frontend", outbound=[(HOST, 80)])
        cls.inbound = cls.backend.inbound[cls.app]
        cls.through = cls.frontend.outbound[HOST]
        await_true("the way to the backend", lambda: request(cls.through).status == 200)

    def set_mode(self, mode):
        self.mesh.write("mode.yaml", peer_authentication(mode))
        await_true(f"mode {mode}", lambda: self.backend.status()["config"]["mtls"] == mode)

    def tearDown(self):
        self.set_mode("STRICT")
        await_true("all is well", lambda: request(self.through).status == 200)

    def expect_reason(self, reason, count_before):
        await_true(f"{reason} is counted", lambda: self.backend.metric(
            "kith_connections_refused_total", direction="inbound", reason=reason) > count_before)

    def count(self, reason):
        return self.backend.metric("kith_connections_refused_total", direction="inbound",
                                   reason=reason)

    def test_strict_refuses_plaintext_without_a_word(self):
        before = self.count("plaintext_on_strict")
        self.assertEqual(raw(self.inbound, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"), b"")
        self.expect_reason("plaintext_on_strict", before)

    def test_permissive_takes_plaintext_and_mutual_tls(self):
        self.set_mode("PERMISSIVE")
        self.assertEqual(request(self.inbound).status, 200)
        self.assertEqual(request(self.through).status, 200)

    def test_disable_takes_plaintext_and_is_reached_in_plaintext(self):
        self.set_mode("DISABLE")
        self.assertEqual(request(self.inbound).status, 200)
        await_true("the way to the backend", lambda: request(
            self.through, headers={"x-request-id": "in-the-clear"}).status == 200)
        line = self.backend.logged(request_id="in-the-clear", status=200)
        self.assertNotIn("principal", line["source"])

    def test_garbage_on_a_tls_port_is_counted_and_harmless(self):
        before = self.count("plaintext_on_strict") + self.count("not_tls")
        for garbage in (os.urandom(4096), b"\x16\x03\x01\x00\x04junk", b"\x00" * 100, b"SSH-2.0-x\r\n"):
            self.assertEqual(len([b for b in [raw(self.inbound, garbage)] if b"HTTP" in b]), 0)
        await_true("each is counted", lambda: self.count("plaintext_on_strict") +
                   self.count("not_tls") + self.count("bad_certificate") >= before + 3)

    def openssl(self, *arguments):
        return subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{self.inbound}", *arguments],
            input="GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", capture_output=True, text=True, timeout=20)

    def handshakes(self, reason):
        return self.backend.metric("kith_tls_handshakes_total", side="server", result="failed",
                                   reason=reason)

    def test_refuses_a_client_without_a_certificate(self):
        before = self.handshakes("no_client_certificate")
        self.assertNotIn("200 OK", self.openssl("-quiet").stdout)
        await_true("the reason is counted",
                   lambda: self.handshakes("no_client_certificate") > before)

    def test_refuses_a_certificate_of_a_foreign_root_even_with_the_right_name(self):
        directory = self.mesh.directory / "foreign"
        directory.mkdir(exist_ok=True)
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=x", "-days", "1",
             "-addext", f"subjectAltName=URI:{self.frontend.spiffe_id}",
             "-addext", "basicConstraints=critical,CA:false",
             "-addext", "keyUsage=critical,digitalSignature"],
            cwd=directory, check=True, capture_output=True)
        before = self.handshakes("unknown_root")
        done = self.openssl("-quiet", "-cert", str(directory / "cert.pem"), "-key",
                            str(directory / "key.pem"))
        self.assertNotIn("200 OK", done.stdout)
        await_true("the reason is counted", lambda: self.handshakes("unknown_root") > before)

    def test_the_server_proves_exactly_one_spiffe_id(self):
        shown = self.openssl("-showcerts").stdout
        leaf = shown[shown.index("-----BEGIN"):shown.index("-----END CERTIFICATE-----") + 26]
        text = subprocess.run(["openssl", "x509", "-noout", "-text"], input=leaf, text=True,
                              capture_output=True, check=True).stdout
        self.assertEqual(text.count("URI:"), 1)
        self.assertIn(f"URI:{self.backend.spiffe_id}", text)
        self.assertIn("CA:FALSE", text)

    def test_malformed_and_oversized_heads_get_an_answer(self):
        bad = self.frontend.metric("kith_http_bad_requests_total")
        for data, status in ((b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", b"400"),
                             (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", b"400"),
                             (b"get / HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
                             (b"GET / HTTP/1.1\r\n\r\n", b"400"),
                             (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
                              b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"400"),
                             (b"GET / HTTP/2.7\r\nHost: x\r\n\r\n", b"505"),
                             (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 70000 + b"\r\n\r\n", b"431"),
                             (b"GET / HTTP/1.1\r\nHost: x\r\nTrunc", b"400")):
            received = raw(self.through, data)
            self.assertEqual(received[9:12], status, data[:60])
        await_true("each is counted", lambda: self.frontend.metric(
            "kith_http_bad_requests_total") >= bad + 8)

    def test_a_forged_client_certificate_header_never_arrives(self):
        seen = []

        def serve(connection):
            data = connection.recv(65536)
            seen.append(data)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

        app = self.mesh.server(serve)
        self.mesh.write("seen.yaml", documents(service("seen", app), allow("all", "seen", "  - {}")))
        self.mesh.add("seen", inbound=[(app, "HTTP")])
        caller = self.mesh.add("caller", outbound=[("seen.demo.svc.cluster.local", 80)])
        port = caller.outbound["seen.demo.svc.cluster.local"]
        await_true("the way", lambda: request(port, headers={
            "X-Forwarded-Client-Cert": "By=spiffe://cluster.local/ns/x/sa/admin"}).status == 200)
        self.assertTrue(seen)
        told = [line for line in seen[-1].lower().split(b"\r\n") if b"client-cert" in line]
        self.assertEqual(len(told), 1, told)
        self.assertIn(b"uri=spiffe://cluster.local/ns/demo/sa/caller", told[0])
        self.assertNotIn(b"admin", told[0])


if __name__ == "__main__":
    unittest.main()
