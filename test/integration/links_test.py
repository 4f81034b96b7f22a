"""Two sidecars share one link for all requests, and HTTP/2 clients are served like any others:
nothing is lost, mixed up or left behind, whoever leaves in the middle."""

import concurrent.futures
import http.client
import random
import re
import shutil
import socket
import subprocess
import unittest

from echo import http_echo
from mesh import Mesh, allow, await_true, documents, request, service

HOST = "echo.demo.svc.cluster.local"
EXCHANGES = 100


class LinksTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.mesh = Mesh()
        cls.addClassCleanup(cls.mesh.__exit__, None)
        application = cls.mesh.server(http_echo)
        cls.mesh.write("mesh.yaml", documents(
            service("echo", application), allow("all", "echo", "  - {}")))
        cls.mesh.start()
        cls.echo = cls.mesh.add("echo", inbound=[(application, "HTTP")])
        cls.client = cls.mesh.add("client", outbound=[(HOST, 80)])
        cls.port = cls.client.outbound[HOST]
        await_true("the way to the application", lambda: request(cls.port, "/").status == 200)

    def exchange(self, seed):
        """One random request; whether its body came back. Some leave before their end."""
        choice = random.Random(seed)
        body = choice.randbytes(choice.choice((0, 1, 100, 5000, 70000, 400000)))
        if seed % 10 == 0:
            with socket.create_connection(("127.0.0.1", self.port), timeout=10) as leaver:
                leaver.sendall(b"POST / HTTP/1.1\r\nHost: echo\r\nContent-Length: 500000\r\n\r\n")
                leaver.sendall(body)
            return True
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        for _ in range(2):
            if choice.random() < 0.5:
                parts = [body[at:at + 30000] for at in range(0, len(body), 30000)]
                connection.request("POST", "/", body=iter(parts), encode_chunked=True,
                                   headers={"Transfer-Encoding": "chunked"})
            else:
                connection.request("POST", "/", body=body)
            if connection.getresponse().read() != body:
                return False
        connection.close()
        return True

    def test_returns_random_bodies_byte_for_byte_and_leaves_nothing_behind(self):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(self.exchange, range(EXCHANGES)))
        self.assertEqual(answers.count(False), 0)
        await_true("only the link and the way to the application are left", lambda: (
            self.client.metric("kith_upstream_connections_active") == 1
            and self.echo.metric("kith_connections_active", direction="inbound") == 1))
        self.assertEqual(
            self.echo.metric("kith_tls_handshakes_total", side="server", result="ok"), 1)

    def test_serves_curl_over_http2(self):
        answer = subprocess.run(
            ["curl", "-sS", "--http2-prior-knowledge", "-w", "\n%{http_version} %{http_code}",
             "--data-binary", "@-", f"http://127.0.0.1:{self.port}/"],
            input=b"x" * 300000, capture_output=True, timeout=20, check=True)
        self.assertEqual(answer.stdout, b"x" * 300000 + b"\n2 200")

    @unittest.skipUnless(shutil.which("h2load"), "needs nghttp2-client")
    def test_serves_many_streams_of_many_clients(self):
        load = subprocess.run(["h2load", "-n", "4000", "-c", "20", "-m", "50",
                               f"http://127.0.0.1:{self.port}/"],
                              capture_output=True, text=True, timeout=60, check=True)
        self.assertRegex(load.stdout, r"4000 succeeded, 0 failed, 0 errored, 0 timeout")
        self.assertTrue(re.search(r"status codes: 4000 2xx", load.stdout), load.stdout)


if __name__ == "__main__":
    unittest.main()
