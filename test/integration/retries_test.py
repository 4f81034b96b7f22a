"""A service that breaks connections gets its requests again, but not a multiple of its load; a request
has a time of its own."""

import threading
import time
import unittest

from authority import outside
from mesh import Mesh, await_true, request

HOST = "fragile.partner.example"


class RetriesTest(unittest.TestCase):
    def test_sends_again_what_is_safe_within_a_budget(self):
        seen = []

        def answer_once(connection):
            """The first request of a connection is answered, the second breaks it."""
            for answered in (True, False):
                received = b""
                while b"\r\n\r\n" not in received:
                    chunk = connection.recv(65536)
                    if not chunk:
                        return
                    received += chunk
                seen.append(received)
                if answered:
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

        with Mesh() as mesh:
            port = mesh.server(answer_once)
            mesh.write("outside.yaml", outside(HOST, port, "{mode: DISABLE}"))
            mesh.start()
            frontend = mesh.add("frontend", outbound=[(HOST, 80)])
            local = frontend.outbound[HOST]
            await_true("it answers", lambda: request(local).status == 200)
            self.assertEqual([request(local).status for _ in range(10)], [200] * 10)

            seen.clear()
            over_before = frontend.metric("kith_http_retries_over_budget_total")
            statuses = [request(local).status for _ in range(300)]
            self.assertEqual(set(statuses), {200, 502})
            # A fifth of them, three a second for ten seconds, and what one second more allows.
            self.assertLess(len(seen), 300 * 1.2 + 35)
            over = frontend.metric("kith_http_retries_over_budget_total") - over_before
            self.assertEqual(over, statuses.count(502))

    def test_gives_a_request_a_time_and_a_try_a_shorter_one(self):
        answered = threading.Event()
        requests = []

        def silent_once(connection):
            while chunk := connection.recv(65536):
                requests.append(chunk)
                if len(requests) > 1:
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                    answered.set()

        with Mesh() as mesh:
            port = mesh.server(silent_once)
            mesh.write("outside.yaml", outside(HOST, port, "{mode: DISABLE}"))
            mesh.start()
            frontend = mesh.add("frontend", outbound=[(HOST, 80)],
                                extra="timeouts: {perTry: 300ms, request: 1s}\n")
            local = frontend.outbound[HOST]
            await_true("a second try is answered", lambda: request(local).status == 200)
            self.assertGreaterEqual(
                frontend.metric("kith_http_timeouts_total", timeout="per_try"), 1)
            self.assertTrue(answered.is_set())

            requests.clear()
            began = time.monotonic()
            # It may not be sent again, and is not answered.
            self.assertEqual(request(local, method="POST", body=b"").status, 504)
            self.assertLess(time.monotonic() - began, 5)
            frontend.logged(status=504, reason="upstream_timeout")


if __name__ == "__main__":
    unittest.main()
