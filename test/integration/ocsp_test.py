"""OCSP with OpenSSL as the counterpart: a sidecar staples what its issuer's responder says, a
server outside the mesh that staples that it is revoked is refused, and where a peer from outside
staples nothing its responder is asked."""

import http.client
import re
import signal
import socket
import ssl
import subprocess
import time
import unittest

from authority import Authority, outside
from mesh import (Mesh, Process, allow, await_true, documents, free_port, peer_authentication,
                  request, service)

HOST = "backend.demo.svc.cluster.local"


class StaplingTest(unittest.TestCase):
    def setUp(self):
        self.mesh = Mesh()
        self.addCleanup(self.mesh.__exit__, None)
        with open(self.mesh.control_plane_config, "a", encoding="utf-8") as config:
            config.write(f"ca:\n  ocspUrls: [\"http://127.0.0.1:{self.mesh.metrics_port}/ocsp\"]\n")
        app, _ = self.mesh.nginx("location / { return 200 ok; }")
        self.mesh.write("mesh.yaml", documents(
            service("backend", app), peer_authentication("STRICT"),
            allow("everyone", "backend", "  - {}")))
        self.mesh.start()
        self.backend = self.mesh.add("backend", inbound=[(app, "HTTP")])
        self.port = self.backend.inbound[app]

    def stapled(self):
        """What OpenSSL makes of the response in a handshake: (its status, serial number)."""
        done = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{self.port}", "-status",
             "-CAfile", self.mesh.state / "root-cert.pem"],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False)
        text = done.stdout.decode(errors="replace")
        status = re.search(r"Cert Status: (\w+)", text)
        serial = re.search(r"OCSP Response Data:.*?Serial Number: (\w+)", text, re.DOTALL)
        return status and status.group(1), serial and serial.group(1).lower()

    def test_staples_the_response_about_its_present_certificate(self):
        await_true("a staple", lambda: self.stapled() == ("good", self.backend.serial()))
        frontend = self.mesh.add("frontend", outbound=[(HOST, 80)])
        await_true("a client that looks at it",
                   lambda: request(frontend.outbound[HOST]).status == 200)
        first = self.backend.serial()
        self.mesh.kithctl("certs", "rotate", "--sidecar", self.backend.socket)
        await_true("another certificate", lambda: self.backend.serial() != first)
        await_true("its staple", lambda: self.stapled() == ("good", self.backend.serial()))
        self.assertGreaterEqual(self.backend.metric("kith_ocsp_fetches_total", result="ok"), 2)
        self.assertEqual(self.backend.metric("kith_ocsp_fetches_total", result="failed"), 0)


class StapledServersTest(unittest.TestCase):
    def response(self, name, leaf, signer=None):
        """What a responder says of the leaf, by openssl."""
        ca, signer = self.ca, signer or self.ca
        path = self.mesh.directory / f"{name}.der"
        ca._must("ocsp", "-index", ca.directory / "index", "-CA", ca.certificate, "-rsigner",
                 signer.certificate, "-rkey", signer.key, "-issuer", ca.certificate, "-cert", leaf,
                 "-no_nonce", "-ndays", "1", "-respout", path)
        return path

    def test_refuses_a_server_that_staples_its_revocation(self):
        self.mesh = Mesh()
        self.addCleanup(self.mesh.__exit__, None)
        self.ca = Authority(self.mesh.directory / "partner-ca")
        stranger = Authority(self.mesh.directory / "stranger")
        leaf, key = self.ca.leaf("server", san="DNS:*.partner.example")
        responses = {"good": self.response("good", leaf)}
        self.ca.revoke(leaf)
        responses["revoked"] = self.response("revoked", leaf)
        responses["forged"] = self.response("forged", leaf, signer=stranger)
        entries = []
        for name, response in responses.items():
            port = free_port()
            server = Process(f"s_server-{name}", [
                "openssl", "s_server", "-accept", port, "-www", "-cert", leaf, "-key", key,
                "-status_file", response], self.mesh.directory)
            self.addCleanup(server.end, signal.SIGKILL)
            entries.append(outside(f"{name}.partner.example", port,
                                   f"{{mode: SIMPLE, caCertificates: {self.ca.certificate}}}"))
        self.mesh.write("outside.yaml", documents(*entries))
        self.mesh.start()
        sidecar = self.mesh.add("frontend",
                                outbound=[(f"{name}.partner.example", 80) for name in responses])

        def get(name):
            host = f"{name}.partner.example"
            return request(sidecar.outbound[host], headers={"Host": host}).status
        await_true("a good one", lambda: get("good") == 200)
        self.assertEqual(get("revoked"), 503)
        line = sidecar.logged(reason="certificate_revoked")
        self.assertIn("staples", line["detail"])
        self.assertEqual(get("forged"), 200, "nobody's word counts as none")


class AskedRespondersTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.mesh = Mesh()
        cls.addClassCleanup(cls.mesh.__exit__, None)
        cls.ca = Authority(cls.mesh.directory / "partner-ca")
        port = free_port()
        silent = socket.create_server(("127.0.0.1", 0))  # It takes a question and says nothing.
        cls.addClassCleanup(silent.close)
        urls = {
            "good": f"http://127.0.0.1:{port}/",
            "revoked": f"http://localhost:{port}/ocsp",
            "gone": f"http://127.0.0.1:{free_port()}/",
            "silent": f"http://127.0.0.1:{silent.getsockname()[1]}/",
        }
        servers = {name: cls.ca.leaf(name, san="DNS:*.partner.example", ocsp=url)
                   for name, url in urls.items()}
        cls.clients = {name: cls.ca.leaf(f"client-{name}", ocsp=url,
                                         san=f"URI:spiffe://partner.example/{name}")
                       for name, url in urls.items()}
        cls.ca.revoke(servers["revoked"][0])
        cls.ca.revoke(cls.clients["revoked"][0])
        cls.process("ocsp", "ocsp", "-port", port, "-index", cls.ca.directory / "index", "-CA",
                    cls.ca.certificate, "-rsigner", cls.ca.certificate, "-rkey", cls.ca.key,
                    "-ndays", "1")
        entries = []
        for name, (leaf, key) in servers.items():
            port = free_port()
            cls.process(f"s_server-{name}", "s_server", "-accept", port, "-www", "-cert", leaf,
                        "-key", key)
            entries.append(outside(f"{name}.partner.example", port,
                                   f"{{mode: SIMPLE, caCertificates: {cls.ca.certificate}}}"))
        cls.app, _ = cls.mesh.nginx("location / { return 200 ok; }")
        cls.mesh.write("outside.yaml", documents(
            *entries, service("backend", cls.app), peer_authentication("STRICT"),
            allow("everyone", "backend", "  - {}")))
        cls.mesh.start()

    @classmethod
    def process(cls, name, *arguments):
        process = Process(name, ["openssl", *arguments], cls.mesh.directory)
        cls.addClassCleanup(process.end, signal.SIGKILL)

    def sidecar(self, name, responders):
        return self.mesh.add(
            name, outbound=[(f"{server}.partner.example", 80)
                            for server in ("good", "revoked", "gone", "silent")],
            extra=f"revocation:\n  responders: {responders}\n")

    @staticmethod
    def get(sidecar, name):
        host = f"{name}.partner.example"
        return request(sidecar.outbound[host], headers={"Host": host}).status

    def test_passes_soft_what_no_responder_speaks_of(self):
        soft = self.sidecar("soft", "{networks: [127.0.0.0/8, ::1], timeout: 0.5s}")
        await_true("a good one", lambda: self.get(soft, "good") == 200)
        self.assertEqual(self.get(soft, "revoked"), 503)
        self.assertIn("its OCSP responder", soft.logged(reason="certificate_revoked")["detail"])
        self.assertEqual(self.get(soft, "gone"), 200)
        begun = time.monotonic()
        self.assertEqual(self.get(soft, "silent"), 200)
        self.assertLess(time.monotonic() - begun, 2)
        for result, number in (("ok", 1), ("revoked", 1), ("failed", 2)):
            self.assertEqual(soft.metric("kith_ocsp_peer_questions_total", result=result), number)
        self.assertEqual(self.get(soft, "revoked"), 503)
        self.assertEqual(soft.metric("kith_ocsp_peer_questions_total", result="revoked"), 1,
                         "the answer is remembered")

    def test_refuses_hard_what_no_responder_speaks_of(self):
        hard = self.sidecar("hard", "{originationMode: HARD, networks: [127.0.0.0/8, ::1]}")
        await_true("a good one", lambda: self.get(hard, "good") == 200)
        self.assertEqual(self.get(hard, "revoked"), 503)
        hard.logged(reason="certificate_revoked")
        self.assertEqual(self.get(hard, "gone"), 503)
        self.assertIn("refused", hard.logged(reason="revocation_unknown")["detail"])

    def test_asks_nobody_at_an_address_that_is_not_public(self):
        strict = self.sidecar("strict", "{originationMode: HARD}")
        await_true("a refusal", lambda: self.get(strict, "good") == 503)
        await_true("its reason", lambda: "is no public address" in strict.logged(
            reason="revocation_unknown")["detail"])

    def test_asks_about_clients_of_other_trust_domains(self):
        backend = self.mesh.add("backend", inbound=[(self.app, "HTTP")], identity=[
            "  federatedBundles:", "  - trustDomain: partner.example",
            f"    file: {self.ca.certificate}"],
            extra="revocation:\n  mode: HARD\n  responders: {networks: [127.0.0.0/8, ::1]}\n")

        def status(name):
            context = ssl.create_default_context(cafile=str(self.mesh.state / "root-cert.pem"))
            context.check_hostname = False  # The server's name is a SPIFFE ID.
            context.load_cert_chain(*self.clients[name])
            connection = http.client.HTTPSConnection("127.0.0.1", backend.inbound[self.app],
                                                     timeout=10, context=context)
            try:
                connection.request("GET", "/")
                return connection.getresponse().status
            except OSError:
                return None
            finally:
                connection.close()
        await_true("a good one", lambda: status("good") == 200)
        self.assertIsNone(status("revoked"))
        backend.logged(reason="certificate_revoked")
        self.assertIsNone(status("gone"))
        backend.logged(reason="revocation_unknown")
        self.assertEqual(backend.metric("kith_ocsp_peer_questions_total", result="ok"), 1)


if __name__ == "__main__":
    unittest.main()
