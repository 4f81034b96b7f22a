"""A sidecar near the memory it may have: it sheds before the kernel would end it, says so, breaks off
who holds the memory, and takes everything again."""

import contextlib
import socket
import unittest

from mesh import Mesh, allow, await_true, documents, peer_authentication, request, service

HOST = "web.demo.svc.cluster.local"
MIB = 1024 * 1024
LIMIT = 80 * MIB
# More than the kernel takes of it.
LARGE = b"x" * (8 * MIB)


def serve(connection):
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
        while b"\r\n\r\n" in received:
            head, _, received = received.partition(b"\r\n\r\n")
            body = LARGE if head.startswith(b"GET /large") else b"good"
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"
                               % (len(body), body))


class MemoryTest(unittest.TestCase):
    def test_sheds_before_its_memory_is_used_up_and_recovers(self):
        with Mesh() as mesh, contextlib.ExitStack() as attackers:
            application = mesh.server(serve)
            mesh.write("mesh.yaml", documents(
                service("web", application), peer_authentication("PERMISSIVE"),
                allow("anyone", "web", "  - {}")))
            mesh.start()
            web = mesh.add("web", inbound=[(application, "HTTP")],
                           extra=f"limits: {{memory: {LIMIT}}}\n")
            frontend = mesh.add("frontend", outbound=[(HOST, 80)])
            local = frontend.outbound[HOST]
            await_true("it answers", lambda: request(local).body == b"good")
            self.assertEqual(web.status()["memory"]["limitBytes"], LIMIT)
            self.assertEqual(web.status()["memory"]["pressure"], "NONE")
            self.assertEqual(web.metric("kith_memory_limit_bytes"), LIMIT)

            def attack():
                """Asks for a large answer and reads none of it."""
                connection = socket.create_connection(
                    ("127.0.0.1", web.inbound[application]), timeout=10)
                attackers.enter_context(connection)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                with contextlib.suppress(OSError):
                    connection.sendall(b"GET /large HTTP/1.1\r\nHost: web\r\n\r\n")

            def is_short():
                attack()
                return web.metric("kith_memory_pressure") > 0

            def is_broken_off():
                with contextlib.suppress(OSError):
                    attack()
                return "connections are broken off" in web.process.log()

            await_true("memory is short", is_short, 30)
            await_true("requests are refused", lambda: request(local).status == 503)
            self.assertTrue(web.process.running)
            # More of it than can be given back, for longer than can be waited.
            await_true("those that hold the memory are broken off", is_broken_off, 30)
            await_true("it recovers", lambda: (web.metric("kith_memory_pressure") == 0
                                               and request(local).body == b"good"), 30)
            self.assertEqual([request(local).body for _ in range(20)], [b"good"] * 20)
            self.assertLess(web.status()["memory"]["residentBytes"], 0.72 * LIMIT)
            self.assertGreater(web.metric("kith_requests_shed_total"), 0)
            web.logged(status=503, reason="memory_pressure")
            log = web.process.log()
            self.assertIn("memory is short", log)
            self.assertIn("connections are broken off", log)
            self.assertIn("memory suffices again", log)


if __name__ == "__main__":
    unittest.main()
