"""Clients that mean harm, each beside good traffic: the attacker is cut off, not one good request
fails, and the sidecar's memory returns to what it was."""

import contextlib
import http.client
import os
import resource
import socket
import struct
import threading
import time
import unittest

from echo import http_echo
from exchanges_test import resident_kib
from http2_client import (ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PRIORITY,
                          RST_STREAM, SETTINGS, Http2Client, block, frame, request_fields)
from mesh import Mesh, allow, await_true, documents, peer_authentication, request, service

HOST = "web.demo.svc.cluster.local"
ENHANCE_YOUR_CALM = 11
IDLE = 10000
# What a worker may keep of an attack: free blocks of its pool and the heap's own.
KEPT_KIB = 16 * 1024
# An idle connection in plaintext, with its state.
IDLE_KIB = 6
TIMEOUTS = """
timeouts:
  head: 2s
limits:
  connections: 12000
"""


class GoodTraffic:
    """Requests through both sidecars while the block runs."""

    def __init__(self, port):
        self.port, self.answers, self.failures = port, 0, []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        while not self._end.is_set():
            try:
                answer = request(self.port, "/", method="POST", body=b"good", timeout=10)
                if (answer.status, answer.body) != (200, b"good"):
                    self.failures.append(answer.status)
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(error)
            self.answers += 1
            time.sleep(0.01)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()


def drip(connections, data, seconds):
    """Sends one byte to each at a time, until all are closed; whether they were, in time."""
    deadline = time.monotonic() + seconds
    left, at = list(connections), 0
    while left and time.monotonic() < deadline:
        for each in list(left):
            try:
                each.sendall(data[at % len(data):at % len(data) + 1])
            except OSError:
                left.remove(each)
        at += 1
        time.sleep(0.1)
    return not left


class AttackersTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        cls.addClassCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        cls.mesh = Mesh()
        cls.addClassCleanup(cls.mesh.__exit__, None)
        cls.large = b"x" * (4 << 20)

        def serve(connection):
            head = connection.recv(9, socket.MSG_PEEK)
            if head != b"GET /larg":
                return http_echo(connection)
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
                               % len(cls.large))
            connection.sendall(cls.large)

        application = cls.mesh.server(serve)
        cls.mesh.write("mesh.yaml", documents(
            peer_authentication("PERMISSIVE"), service("web", application),
            allow("all", "web", "  - {}")))
        cls.mesh.start()
        cls.web = cls.mesh.add("web", inbound=[(application, "HTTP")], extra=TIMEOUTS)
        cls.client = cls.mesh.add("client", outbound=[(HOST, 80)])
        cls.port, cls.target = cls.client.outbound[HOST], cls.web.inbound[application]
        await_true("the way to the application", lambda: request(cls.port, "/").status == 200)
        with GoodTraffic(cls.port):
            time.sleep(0.5)

    @contextlib.contextmanager
    def beside_good_traffic(self, kept_kib=KEPT_KIB):
        base = resident_kib(self.web)
        with GoodTraffic(self.port) as good:
            yield good
        self.assertEqual(good.failures, [])
        self.assertGreater(good.answers, 0)
        await_true("the attackers' connections are gone", lambda: (
            self.web.metric("kith_connections_active", direction="inbound") == 1), 20)
        # It is given back a second after the last of them.
        await_true(f"memory is back to {base} KiB and at most {kept_kib} more",
                   lambda: resident_kib(self.web) < base + kept_kib, 20)

    def connect(self, count):
        return [socket.create_connection(("127.0.0.1", self.target), timeout=10)
                for _ in range(count)]

    def test_cuts_off_who_sends_heads_byte_by_byte(self):
        with self.beside_good_traffic():
            connections = self.connect(200)
            self.assertTrue(drip(connections, b"GET / HTTP/1.1\r\nHost: web\r\nX-Slow: " + b"a" * 9999,
                                 seconds=15))
            for each in connections:
                each.close()

    def test_holds_little_for_who_does_not_read(self):
        with self.beside_good_traffic():
            base = resident_kib(self.web)
            connections = self.connect(64)
            for each in connections:
                each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                each.sendall(b"GET /large HTTP/1.1\r\nHost: web\r\n\r\n")
            time.sleep(2)
            # Of 256 MiB, the high watermark of each and what one read brings beyond it.
            self.assertLess(resident_kib(self.web) - base, 64 * 768)
            for each in connections:
                each.close()

    def test_carries_ten_thousand_idle_connections(self):
        with self.beside_good_traffic(kept_kib=IDLE * IDLE_KIB // 2):
            base = resident_kib(self.web)
            connections = self.connect(IDLE)
            await_true("all are accepted", lambda: (
                self.web.metric("kith_connections_active", direction="inbound") > IDLE))
            self.assertLess(resident_kib(self.web) - base, IDLE * IDLE_KIB)
            for each in connections:
                each.close()

    def test_survives_having_no_descriptor_left(self):
        with self.beside_good_traffic():
            pid = self.web.process.pid
            limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            in_use = len(os.listdir(f"/proc/{pid}/fd"))
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (in_use + 50, limits[1]))
            try:
                connections = self.connect(300)
                time.sleep(1)
                for each in connections:
                    each.close()
            finally:
                resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
            await_true("new connections are taken again", lambda: (
                request(self.target, "/").status == 200))

    # ---- HTTP/2, with prior knowledge ----

    def refused(self, *names):
        return sum(self.web.metric("kith_http_bad_requests_total", reason=name) for name in names)

    def flood(self, name, frames, count=1):
        """Sends the frames until the connection is cut off: by the sidecar's own limit, or by
        nghttp2's, whichever is reached first."""
        counted = self.refused(name, "http2_protocol")
        with self.beside_good_traffic():
            client = Http2Client(self.target)
            with contextlib.suppress(OSError):
                for turn in range(count):
                    client.send(frames(turn))
            with contextlib.suppress(OSError):
                while client.read_frame():
                    pass
            client.close()
        # A peer that is cut off while it floods may see a reset before the GOAWAY.
        self.assertIn(client.goaway, (ENHANCE_YOUR_CALM, None))
        await_true(f"{name} is counted", lambda: (
            self.refused(name, "http2_protocol") == counted + 1))

    def test_cuts_off_rapid_resets(self):
        head = block(request_fields())
        self.flood("http2_reset_flood", lambda turn: b"".join(
            frame(HEADERS, END_HEADERS | END_STREAM, stream, head)
            + frame(RST_STREAM, 0, stream, struct.pack("!I", 8))
            for stream in range(turn * 200 + 1, turn * 200 + 201, 2)), count=30)

    def test_cuts_off_floods_of_settings_and_pings(self):
        self.flood("http2_control_flood", lambda _: frame(SETTINGS, 0, 0) * 100, count=50)
        self.flood("http2_control_flood", lambda _: frame(PING, 0, 0, b"12345678") * 100, count=50)
        self.flood("http2_control_flood", lambda _: frame(PRIORITY, 0, 1, b"\0\0\0\3\1") * 100,
                   count=50)

    def test_cuts_off_a_head_that_never_ends(self):
        field = block([(b"x", b"y")])
        self.flood("http2_continuation_flood", lambda turn: (
            frame(HEADERS, END_STREAM, 1, block(request_fields())) if turn == 0
            else frame(CONTINUATION, 0, 1, field)), count=100)

    def test_cuts_off_a_head_that_decodes_to_far_too_much(self):
        # One header of 4,000 bytes into the table, then named by a byte each time.
        large = b"\x40\x01a\x7f" + bytes([(4000 - 127) % 128 + 128, (4000 - 127) // 128]) + b"b" * 4000
        self.flood("http2_header_bomb", lambda _: frame(
            HEADERS, END_HEADERS | END_STREAM, 1, block(request_fields()) + large + b"\xbe" * 9000))

    def test_cuts_off_empty_frames(self):
        start = frame(HEADERS, END_HEADERS, 1, block(request_fields(method="POST")))
        self.flood("http2_empty_frame_flood",
                   lambda turn: start if turn == 0 else frame(DATA, 0, 1) * 50, count=20)

    def test_ignores_acknowledgements_of_nothing(self):
        with self.beside_good_traffic():
            client = Http2Client(self.target)
            client.send(frame(PING, ACK, 0, b"12345678"))
            self.assertEqual(client.exchange(b"still here"), (True, b"still here"))
            client.close()


if __name__ == "__main__":
    unittest.main()
