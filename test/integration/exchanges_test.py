"""Random exchanges through two sidecars over HTTP/1.1, HTTP/2, opaque TCP and upgraded
connections, with random sizes and pauses, some broken off: no byte is wrong, and nothing is left
behind.

1,000 of them; 10,000 by KITH_EXCHANGES=10000 test/integration/run.py test/integration/exchanges_test.py
"""

import concurrent.futures
import http.client
import os
import random
import socket
import threading
import time
import unittest

from echo import http_echo, tcp_echo, websocket_accept
from http2_client import DATA, HEADERS, Http2Client, block, frame, request_fields
from mesh import Mesh, allow, await_true, documents, raw, request, service

WEB, BYTES = "web.demo.svc.cluster.local", "bytes.demo.svc.cluster.local"
EXCHANGES = int(os.environ.get("KITH_EXCHANGES", "1000"))
SIZES = (0, 1, 100, 5000, 16384, 70000, 400000)
# What a worker keeps after a burst (read buffers, free blocks, the heap's own), and no more for
# ten times as many exchanges.
GROWTH_KIB = 48 * 1024


def resident_kib(workload):
    with open(f"/proc/{workload.process.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def send_in_pieces(connection, body, choice):
    at = 0
    while at < len(body):
        size = choice.choice((1, 100, 4096, 65536))
        connection.sendall(body[at:at + size] if size > 1 or at < 20 else body[at:])
        at += size if size > 1 or at < 20 else len(body)
        if choice.random() < 0.02:
            time.sleep(choice.random() * 0.02)


def echoed(connection, body, choice):
    """Sends and receives at the same time, as bytes; whether all came back."""
    received = bytearray()

    def read():
        while len(received) < len(body) and (some := connection.recv(65536)):
            received.extend(some)

    reader = threading.Thread(target=read)
    reader.start()
    send_in_pieces(connection, body, choice)
    reader.join()
    return bytes(received) == body


class ExchangesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.mesh = Mesh()
        cls.addClassCleanup(cls.mesh.__exit__, None)
        web, opaque = cls.mesh.server(http_echo), cls.mesh.server(tcp_echo)
        cls.mesh.write("mesh.yaml", documents(
            service("web", web), allow("all", "web", "  - {}"),
            service("bytes", opaque, port=9000, port_name="tcp"),
            allow("bytes", "bytes", "  - {}")))
        cls.mesh.start()
        cls.web = cls.mesh.add("web", inbound=[(web, "HTTP")])
        cls.bytes = cls.mesh.add("bytes", inbound=[(opaque, "TCP")])
        cls.client = cls.mesh.add("client", outbound=[(WEB, 80), (BYTES, 9000)])
        cls.port, cls.tcp_port = cls.client.outbound[WEB], cls.client.outbound[BYTES]
        await_true("the way over HTTP", lambda: request(cls.port, "/").status == 200)
        await_true("the way over TCP", lambda: raw(cls.tcp_port, b"x") == b"x")

    def http1(self, body, choice, leaves):
        if leaves:
            with socket.create_connection(("127.0.0.1", self.port), timeout=20) as leaver:
                leaver.sendall(b"POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 500000\r\n\r\n")
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

    def http2(self, body, choice, leaves):
        client = Http2Client(self.port)
        try:
            if leaves:
                client.send(frame(HEADERS, 0x4, 1, block(request_fields(method="POST")))
                            + frame(DATA, 0, 1, body[:16384])[:choice.randrange(1, 9000)])
                return True
            return all(client.exchange(body) == (True, body) for _ in range(2))
        finally:
            client.close()

    def tcp(self, body, choice, leaves):
        with socket.create_connection(("127.0.0.1", self.tcp_port), timeout=20) as connection:
            if leaves:
                connection.sendall(body)
                return True
            return echoed(connection, body, choice) and self.ends(connection)

    def upgraded(self, body, choice, leaves):
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.sendall(b"GET /chat HTTP/1.1\r\nHost: web\r\nConnection: Upgrade\r\n"
                               b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                               b"Sec-WebSocket-Key: c2FtcGxlIG5vbmNlIG9mIDE2IQ==\r\n\r\n")
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += connection.recv(1)
            if b" 101 " not in head or websocket_accept(b"c2FtcGxlIG5vbmNlIG9mIDE2IQ==") not in head:
                return False
            if leaves:
                connection.sendall(body)
                return True
            return echoed(connection, body, choice) and self.ends(connection)

    @staticmethod
    def ends(connection):
        connection.shutdown(socket.SHUT_WR)
        return connection.recv(1) == b""

    def exchange(self, seed):
        """One random exchange; whether every byte came back. Some leave before their end."""
        choice = random.Random(seed)
        body = choice.randbytes(choice.choice(SIZES))
        kinds = (self.http1, self.http2, self.tcp, self.upgraded)
        return kinds[seed % 4](body, choice, leaves=choice.random() < 0.1)

    def run_all(self, seeds):
        wrong = []
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            for seed, good in zip(seeds, pool.map(self.exchange, seeds)):
                if not good:
                    wrong.append(seed)
        return wrong

    def test_returns_every_byte_and_leaves_nothing_behind(self):
        workloads = (self.client, self.web, self.bytes)
        self.assertEqual(self.run_all(range(200)), [])
        base = {each.name: resident_kib(each) for each in workloads}
        self.assertEqual(self.run_all(range(200, EXCHANGES)), [])
        # What stays: one link to each service at either end, and upstreams of applications that
        # are idle for a while.
        await_true("the client's sidecar has no connection of its application left", lambda: (
            self.client.metric("kith_connections_active", direction="outbound") == 0))
        for each in (self.web, self.bytes):
            await_true(f"only the link of {each.name} is left", lambda each=each: (
                each.metric("kith_connections_active", direction="inbound") == 1))
        for each in workloads:
            self.assertLess(resident_kib(each), base[each.name] + GROWTH_KIB, each.name)


if __name__ == "__main__":
    unittest.main()
