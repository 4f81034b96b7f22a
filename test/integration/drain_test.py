"""A sidecar that is asked to end takes nothing new for its application, finishes what is in flight,
and serves what the application itself opens until that is gone or the time is over."""

import http.client
import os
import signal
import socket
import threading
import time
import unittest

from echo import http_echo, read_body, read_head
from mesh import Mesh, allow, await_true, documents, request, service

BACK, FRONT = "back.demo.svc.cluster.local", "front.demo.svc.cluster.local"


class DrainTest(unittest.TestCase):
    def setUp(self):
        self.mesh = Mesh()
        self.addCleanup(self.mesh.__exit__, None)
        self.arrived, self.go_on = threading.Event(), threading.Event()

        def front(connection):
            stream = connection.makefile("rb")
            while head := read_head(stream):
                read_body(stream, head[1])
                if "/slow" in head[0]:
                    self.arrived.set()
                    self.go_on.wait(20)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone")

        back, self.application = self.mesh.server(http_echo), self.mesh.server(front)
        self.mesh.write("mesh.yaml", documents(
            service("back", back), allow("back", "back", "  - {}"),
            service("front", self.application), allow("front", "front", "  - {}")))
        self.mesh.start()
        self.mesh.add("back", inbound=[(back, "HTTP")])
        self.client = self.mesh.add("client", outbound=[(FRONT, 80)])

    def start_front(self, drain):
        front = self.mesh.add("front", inbound=[(self.application, "HTTP")], outbound=[(BACK, 80)],
                              extra=f"timeouts:\n  drain: {drain}\n")
        await_true("the way to the backend", lambda: request(front.outbound[BACK]).status == 200)
        await_true("the way to the front", lambda: request(
            self.client.outbound[FRONT]).status == 200)
        return front

    @staticmethod
    def refuses(port):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except ConnectionRefusedError:
            return True
        return False

    def test_serves_its_application_until_that_is_gone(self):
        front = self.start_front("15s")
        answers = []
        slow = threading.Thread(target=lambda: answers.append(
            request(self.client.outbound[FRONT], "/slow", timeout=20)))
        slow.start()
        self.assertTrue(self.arrived.wait(10))
        held = http.client.HTTPConnection("127.0.0.1", front.outbound[BACK], timeout=10)
        held.request("POST", "/", body=b"before")
        self.assertEqual(held.getresponse().read(), b"before")

        os.kill(front.process.pid, signal.SIGTERM)
        await_true("nothing new is taken for the application",
                   lambda: self.refuses(front.inbound[self.application]))
        # The application's own: a connection it has, and new ones.
        held.request("POST", "/", body=b"during")
        self.assertEqual(held.getresponse().read(), b"during")
        self.assertEqual(request(front.outbound[BACK], method="POST", body=b"new").body, b"new")
        self.go_on.set()
        slow.join()
        self.assertEqual([each.body for each in answers], [b"done"])
        time.sleep(1)
        self.assertTrue(front.process.running)
        held.request("POST", "/", body=b"after")
        self.assertEqual(held.getresponse().read(), b"after")
        held.close()
        began = time.monotonic()
        self.assertEqual(front.process.end(), 0)
        self.assertLess(time.monotonic() - began, 5)

    def test_does_not_wait_longer_than_it_is_told(self):
        front = self.start_front("1s")
        with socket.create_connection(("127.0.0.1", front.outbound[BACK]), timeout=10) as held:
            began = time.monotonic()
            self.assertEqual(front.process.end(), 0)
            self.assertLess(time.monotonic() - began, 10)


if __name__ == "__main__":
    unittest.main()
