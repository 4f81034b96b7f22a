"""Requests and bytes pass through two sidecars over mutual TLS unchanged, in both directions."""

import hashlib
import os
import random
import re
import socket
import threading
import unittest

from mesh import Mesh, allow, await_true, documents, raw, request, service

ALLOW_ALL = "  - {}"
HOST = "backend.demo.svc.cluster.local"


def echo(connection):
    """Sends back what it gets; passes a half-close on."""
    while data := connection.recv(65536):
        connection.sendall(data)
    connection.shutdown(socket.SHUT_WR)


def digest_server(connection):
    """An HTTP application that answers with the digest of each request's body, chunked."""
    stream = connection.makefile("rb")
    while line := stream.readline():
        headers = {}
        while (header := stream.readline()) not in (b"\r\n", b""):
            name, _, value = header.decode().partition(":")
            headers[name.strip().lower()] = value.strip()
        body = b""
        if headers.get("transfer-encoding") == "chunked":
            while size := int(stream.readline(), 16):
                body += stream.read(size)
                stream.readline()
            stream.readline()
        elif "content-length" in headers:
            body = stream.read(int(headers["content-length"]))
        answer = hashlib.sha256(body).hexdigest() + " " + line.decode().split()[1]
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Length: %d\r\n\r\n"
                           % len(body))
        for part in (answer[:10], answer[10:]):
            connection.sendall(b"%x\r\n%s\r\n" % (len(part), part.encode()))
        connection.sendall(b"0\r\n\r\n")


class RequestsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.mesh = Mesh()
        cls.addClassCleanup(cls.mesh.__exit__, None)
        files, cls.files_root = cls.mesh.nginx("location / { }")
        digest, tcp = cls.mesh.server(digest_server), cls.mesh.server(echo)
        cls.mesh.write("mesh.yaml", documents(
            service("backend", files),
            service("digest", digest), service("echo", tcp, port=9000, port_name="tcp"),
            allow("all", "backend", ALLOW_ALL), allow("digest", "digest", ALLOW_ALL),
            allow("echo", "echo", ALLOW_ALL)))
        cls.mesh.start()
        cls.backend = cls.mesh.add("backend", inbound=[(files, "HTTP")])
        cls.mesh.add("digest", inbound=[(digest, "HTTP")])
        cls.echo = cls.mesh.add("echo", inbound=[(tcp, "TCP")])
        hosts = {name: f"{name}.demo.svc.cluster.local" for name in ("backend", "digest", "echo")}
        cls.frontend = cls.mesh.add("frontend", outbound=[
            (hosts["backend"], 80), (hosts["digest"], 80), (hosts["echo"], 9000)])
        cls.to_backend = cls.frontend.outbound[hosts["backend"]]
        cls.to_digest = cls.frontend.outbound[hosts["digest"]]
        cls.to_echo = cls.frontend.outbound[hosts["echo"]]
        for name, content in (("small", b"hello\n"), ("empty", b""),
                              ("large", os.urandom(8 * 1024 * 1024))):
            (cls.files_root / name).write_bytes(content)
        await_true("the way to the backend", lambda: request(cls.to_backend, "/small").status == 200)
        await_true("the way to the digest", lambda: request(cls.to_digest, "/").status == 200)

    def test_returns_bodies_byte_for_byte(self):
        for name in ("small", "empty", "large"):
            answer = request(self.to_backend, f"/{name}")
            self.assertEqual(answer.status, 200)
            self.assertEqual(answer.body, (self.files_root / name).read_bytes())

    def test_carries_uploads_with_length_and_in_chunks(self):
        for size in (0, 1, 100, 65536, 3_000_000):
            body = random.randbytes(size)
            expected = hashlib.sha256(body).hexdigest()
            self.assertTrue(request(self.to_digest, "/u", "POST", body).body.decode()
                            .startswith(expected))
            pieces = (body[i:i + 70000] for i in range(0, len(body), 70000))
            answer = request(self.to_digest, "/c", "POST", pieces,
                             {"Transfer-Encoding": "chunked"})
            self.assertTrue(answer.body.decode().startswith(expected), f"{size} bytes in chunks")

    def test_keeps_connections_alive_and_serves_pipelined_requests_in_order(self):
        wanted = b"".join(b"GET /p%d HTTP/1.1\r\nHost: x\r\n\r\n" % n for n in range(20))
        with socket.create_connection(("127.0.0.1", self.to_digest)) as connection:
            connection.sendall(wanted)
            received = b""
            while received.count(b"\r\n0\r\n\r\n") < 20:
                data = connection.recv(65536)
                self.assertTrue(data, received)
                received += data
        self.assertEqual(re.findall(rb" /p(\d+)\r\n", received), [b"%d" % n for n in range(20)])

    def test_answers_head_without_a_body(self):
        answer = request(self.to_backend, "/large", "HEAD")
        self.assertEqual((answer.status, answer.body), (200, b""))
        self.assertEqual(int(answer.headers["Content-Length"]), 8 * 1024 * 1024)

    def test_speaks_http_1_0_to_clients_that_do(self):
        received = raw(self.to_digest, b"GET /old HTTP/1.0\r\n\r\n")
        head, _, body = received.partition(b"\r\n\r\n")
        self.assertIn(b" 200 ", head.splitlines()[0])
        self.assertNotIn(b"chunked", head.lower())
        self.assertTrue(body.endswith(b" /old"), received)

    def test_logs_both_identities_and_serials(self):
        request(self.to_backend, "/small?secret=1", headers={"x-request-id": "trace-me"})
        for workload in (self.frontend, self.backend):
            line = workload.logged(request_id="trace-me")
            self.assertEqual(line["source"]["principal"], self.frontend.spiffe_id)
            self.assertEqual(line["destination"]["principal"], self.backend.spiffe_id)
            self.assertEqual(line["source"]["serial"], self.frontend.serial())
            self.assertEqual(line["destination"]["serial"], self.backend.serial())
            self.assertEqual((line["status"], line["path"]), (200, "/small"))
        self.assertGreater(self.backend.metric("istio_requests_total", reporter="destination",
                                               response_code="200"), 0)

    def test_carries_tcp_both_ways_with_half_close(self):
        payload = random.randbytes(2_000_000)
        received = bytearray()
        with socket.create_connection(("127.0.0.1", self.to_echo), timeout=20) as connection:
            def read():
                while chunk := connection.recv(65536):
                    received.extend(chunk)
            reader = threading.Thread(target=read)
            reader.start()
            connection.sendall(payload)
            connection.shutdown(socket.SHUT_WR)
            reader.join(20)
        self.assertEqual(bytes(received), payload)
        line = self.echo.logged(kind="tcp", bytes_received=len(payload))
        self.assertEqual(line["source"]["principal"], self.frontend.spiffe_id)

    def test_answers_503_without_detail_when_the_service_has_no_endpoint(self):
        absent = self.mesh.add("lonely", outbound=[(HOST.replace("backend", "frontend"), 80)])
        self.mesh.write("lonely.yaml", service("frontend", 1))
        port = next(iter(absent.outbound.values()))
        answer = await_true("503", lambda: (a := request(port)).status == 503 and a)
        self.assertEqual(answer.body, b"service unavailable")
        self.assertEqual(absent.logged(status=503)["reason"], "no_endpoint")


if __name__ == "__main__":
    unittest.main()
