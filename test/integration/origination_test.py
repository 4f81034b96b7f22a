"""TLS towards servers outside the mesh, by DestinationRules of mode SIMPLE and MUTUAL: a plaintext
application reaches nginx, OpenSSL and Python servers that want (client) certificates; a server with
another certificate than it should have is refused for the documented reason; certificates change
without a restart."""

import contextlib
import shutil
import signal
import ssl
import threading
import unittest

from authority import Authority, outside
from mesh import Mesh, Process, await_true, documents, free_port, raw, request

SERVER = "DNS:*.partner.example"


def answer_http(connection):
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
        while b"\r\n\r\n" in received:
            received = received.partition(b"\r\n\r\n")[2]
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


def echo(connection):
    while chunk := connection.recv(65536):
        connection.sendall(chunk)


class OriginationTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.mesh = Mesh()
        cls.addClassCleanup(cls.mesh.__exit__, None)
        directory = cls.mesh.directory
        cls.ca = Authority(directory / "partner-ca")
        foreign = Authority(directory / "foreign-ca")
        good = cls.ca.leaf("good", san=SERVER)
        cls.certificates = {
            "good": good,
            "foreign": foreign.leaf("foreign", san=SERVER),
            "expired": cls.ca.leaf("expired", end="20250102000000Z", san=SERVER),
            "revoked": cls.ca.leaf("revoked", san=SERVER),
            "misnamed": cls.ca.leaf("misnamed", san="DNS:partner.example"),
        }
        cls.ca.revoke(cls.certificates["revoked"][0])
        cls.crl = cls.ca.crl()
        cls.clients = {name: cls.ca.leaf(name, san=f"DNS:{name}") for name in ("first", "second")}
        verified = f"caCertificates: {cls.ca.certificate}"
        entries = []

        def add(host, port, tls, protocol="HTTP"):
            entries.append((f"{host}.partner.example", outside(f"{host}.partner.example", port, tls,
                                                               protocol)))

        tls_port = free_port()
        cls.mesh.nginx(f"""
          listen 127.0.0.1:{tls_port} ssl http2;
          ssl_certificate {good[0]}; ssl_certificate_key {good[1]};
          ssl_client_certificate {cls.ca.certificate}; ssl_verify_client on;
          location / {{ return 200 "$server_protocol $ssl_server_name $ssl_client_s_dn"; }}""")
        for name in cls.clients:
            cls.show(name, name)
            add(name, tls_port, f"{{mode: MUTUAL, clientCertificate: {directory}/{name}.pem, "
                f"privateKey: {directory}/{name}.key, {verified}}}")
        add("bare", tls_port, f"{{mode: SIMPLE, {verified}}}")
        add("multiplexed", tls_port, f"{{mode: MUTUAL, clientCertificate: {directory}/first.pem, "
            f"privateKey: {directory}/first.key, {verified}}}", "HTTP2")
        late = directory / "late.pem"
        add("late", cls.serve("good"), f"{{mode: SIMPLE, caCertificates: {late}}}")
        cls.late = late

        port = free_port()
        server = Process("s_server", ["openssl", "s_server", "-accept", port, "-www", "-cert",
                                      good[0], "-key", good[1], "-CAfile", cls.ca.certificate,
                                      "-Verify", "1", "-verify_return_error"], directory)
        cls.addClassCleanup(server.end, signal.SIGKILL)
        add("openssl", port, f"{{mode: MUTUAL, clientCertificate: {directory}/first.pem, "
            f"privateKey: {directory}/first.key, {verified}}}")
        add("openssl-bare", port, f"{{mode: SIMPLE, {verified}}}")

        for name in cls.certificates:
            add(f"with-{name}", cls.serve(name), f"{{mode: SIMPLE, {verified}, caCrl: {cls.crl}}}")
        add("named", cls.serve("misnamed"),
            f"{{mode: SIMPLE, {verified}, sni: x.example, subjectAltNames: [partner.example]}}")
        add("system", cls.serve("good"), "{mode: SIMPLE}")
        add("unchecked", cls.serve("foreign"), "{mode: SIMPLE, insecureSkipVerify: true}")
        add("plain", cls.serve(None, lambda c: (c.recv(1), c.sendall(b"220 ready\r\n"), c.recv(1))),
            f"{{mode: SIMPLE, {verified}}}")
        add("bytes", cls.serve("good", echo), f"{{mode: SIMPLE, {verified}}}", "TCP")
        port = cls.serve("good")
        entries.append(("by-name.partner.example", outside(
            "by-name.partner.example", port, f"{{mode: SIMPLE, {verified}}}").replace(
                "STATIC", "DNS").replace("127.0.0.1", "localhost")))
        cls.mesh.write("outside.yaml", documents(*(text for _, text in entries)))
        cls.mesh.start()
        cls.sidecar = cls.mesh.add("frontend", outbound=[(host, 80) for host, _ in entries])
        cls.await_answer("first")

    @classmethod
    def show(cls, name, credential):
        """Puts a client's certificate and key where the rules of `name` look for them."""
        for path, suffix in zip(cls.clients[credential], ("pem", "key")):
            temporary = cls.mesh.directory / f"{name}.{suffix}.new"
            shutil.copy(path, temporary)
            temporary.rename(cls.mesh.directory / f"{name}.{suffix}")

    @classmethod
    def serve(cls, name, handle=answer_http):
        """The port of a Python server with that certificate, or with none."""
        context = None
        if name is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*cls.certificates[name])

        def serve_one(connection):
            if context is None:
                return handle(connection)
            with contextlib.suppress(OSError), \
                    context.wrap_socket(connection, server_side=True) as wrapped:
                handle(wrapped)
                wrapped.unwrap()
        return cls.mesh.server(serve_one)

    @classmethod
    def get(cls, name, path="/"):
        return request(cls.sidecar.outbound[f"{name}.partner.example"], path,
                       headers={"Host": f"{name}.partner.example"})

    @classmethod
    def await_answer(cls, name):
        return await_true(f"{name} answers", lambda: (lambda a: a.status == 200 and a)(cls.get(name)))

    def refused(self, name, reason, status=503):
        self.assertEqual(self.get(name).status, status, name)
        line = self.sidecar.logged(reason=reason)
        self.assertTrue(line["detail"], line)
        return line["detail"]

    def test_reaches_nginx_with_a_certificate_of_each_hosts_own(self):
        for name in self.clients:
            self.assertEqual(self.get(name).body.decode(),
                             f"HTTP/1.1 {name}.partner.example CN={name}")

    def test_speaks_http_2_where_the_port_says_so(self):
        self.assertEqual(self.get("multiplexed").body.decode(),
                         "HTTP/2.0 multiplexed.partner.example CN=first")

    def test_shows_no_certificate_in_mode_simple(self):
        answer = self.get("bare")
        self.assertEqual(answer.status, 400)
        self.assertIn(b"No required SSL certificate", answer.body)

    def test_reaches_openssl_and_tells_its_alert(self):
        self.assertEqual(self.get("openssl").status, 200)
        self.assertIn("certificate", self.refused("openssl-bare", "alert_received"))

    def test_refuses_servers_for_documented_reasons(self):
        self.assertEqual(self.get("with-good").status, 200)
        for name, reason in (("foreign", "unknown_root"), ("expired", "certificate_expired"),
                             ("revoked", "certificate_revoked"), ("misnamed", "wrong_san")):
            with self.subTest(name):
                self.refused(f"with-{name}", reason)
        self.assertIn("partner.example", self.refused("with-misnamed", "wrong_san"))
        self.refused("system", "unknown_root")
        self.refused("plain", "not_tls")

    def test_checks_the_name_that_the_rule_gives(self):
        self.assertEqual(self.get("named").status, 200)

    def test_counts_servers_that_nobody_looks_at(self):
        before = self.sidecar.metric("kith_upstream_unverified_handshakes_total")
        self.assertEqual(self.get("unchecked").status, 200)
        self.assertGreater(self.sidecar.metric("kith_upstream_unverified_handshakes_total"), before)
        self.assertIn("insecureSkipVerify", self.sidecar.process.log())

    def test_reaches_a_server_by_its_name(self):
        self.await_answer("by-name")

    def test_carries_opaque_bytes(self):
        data = bytes(range(256)) * 4096
        self.assertEqual(raw(self.sidecar.outbound["bytes.partner.example"], data), data)

    def test_uses_files_as_soon_as_they_are_there(self):
        self.assertIn("late.pem", self.refused("late", "upstream_credentials"))
        shutil.copy(self.ca.certificate, self.late)
        self.await_answer("late")
        self.late.write_text("broken")
        await_true("the file is read", lambda: self.sidecar.metric(
            "kith_upstream_tls_reads_total", result="failed") > 1)
        self.assertEqual(self.get("late").status, 200, "what was read before stays")

    def test_shows_a_new_certificate_without_losing_a_request(self):
        failures, stop = [], threading.Event()

        def load():
            while not stop.is_set():
                answer = self.get("second")
                if answer.status != 200:
                    failures.append(answer.status)
        thread = threading.Thread(target=load)
        thread.start()
        try:
            for credential in ("first", "second", "first"):
                self.show("second", credential)
                await_true(f"{credential} is shown", lambda: self.get("second").body.endswith(
                    f"CN={credential}".encode()))
        finally:
            stop.set()
            thread.join()
            self.show("second", "second")
            await_true("as it was", lambda: self.get("second").body.endswith(b"CN=second"))
        self.assertEqual(failures, [])


if __name__ == "__main__":
    unittest.main()
