"""Policies decide real traffic as the specification says: random ones, with requests in HTTP/1.1,
HTTP/2 and gRPC and connections in TCP, through two sidecars and in plaintext past the first one; what
is expected comes from an evaluator that was written from the specification alone."""

import json
import subprocess
import unittest

import http2
from mesh import ROOT, Mesh, await_true, raw, service

CASES = ROOT / "bazel-bin" / "test" / "policy" / "oracle_cases"
SETS, REQUESTS, SEED = 14, 60, 20261121
MARK = b"application was reached"
CLIENTS = {"one": ("a", "b"), "two": ("ab", "a"), "three": ("b", "ba")}


def answer_with_mark(connection):
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
        while b"\r\n\r\n" in received:
            _, _, received = received.partition(b"\r\n\r\n")
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(MARK), MARK))


def greet(connection):
    if connection.recv(16):
        connection.sendall(MARK)


class DecisionsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not CASES.exists():
            subprocess.run(["bazel", "build", "//test/policy:oracle_cases"], cwd=ROOT, check=True,
                           capture_output=True, timeout=600)
        cls.mesh = Mesh()
        cls.addClassCleanup(cls.mesh.__exit__, None)
        cls.http, cls.tcp = cls.mesh.server(answer_with_mark), cls.mesh.server(greet)
        cls.mesh.write("services.yaml", "---".join([
            service("backend", cls.http, namespace="a"),
            service("greeter", cls.tcp, port=9000, port_name="tcp", namespace="a").replace(
                "app: greeter", "app: backend")]))
        cls.mesh.start()
        cls.backend = cls.mesh.add("backend", namespace="a",
                                   inbound=[(cls.http, "HTTP"), (cls.tcp, "TCP")])
        cls.hosts = ["backend.a.svc.cluster.local", "greeter.a.svc.cluster.local"]
        cls.clients = [cls.mesh.add(name, service_account=account, namespace=namespace,
                                    outbound=[(cls.hosts[0], 80), (cls.hosts[1], 9000)])
                       for name, (namespace, account) in CLIENTS.items()]
        cls.cases = json.loads(subprocess.run(
            [CASES, str(SEED), str(SETS), str(REQUESTS), str(cls.http), str(cls.tcp), *cls.hosts,
             *(client.spiffe_id for client in cls.clients), "-"],
            capture_output=True, check=True, timeout=60).stdout)
        for client in cls.clients:
            await_true("the way to the backend", lambda c=client: MARK in raw(
                c.outbound[cls.hosts[0]],
                b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", end=False))

    def port(self, request):
        """Where this request's client sends it."""
        if request["client"] == len(self.clients):  # In plaintext, past every sidecar but one.
            return self.backend.inbound[self.http if request["http"] else self.tcp]
        client = self.clients[request["client"]]
        return client.outbound[self.hosts[0 if request["http"] else 1]]

    def over_tcp(self, request):
        try:
            return MARK in raw(self.port(request), b"hello", end=False)
        except ConnectionResetError:  # Refused before the client knew that it was connected.
            return False

    def over_http1(self, request):
        lines = [f"{request['method']} {request['path']} HTTP/1.1", f"Host: {request['host']}",
                 "Connection: close", *(f"{name}: {value}" for name, value in request["headers"])]
        if request["method"] != "GET":
            lines.append("Content-Length: 0")
        answer = raw(self.port(request), ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"),
                     end=False)
        status = answer[9:12]
        self.assertIn((status, MARK in answer), ((b"200", True), (b"403", False)), answer)
        return status == b"200"

    def over_http2(self, connection, request, more=()):
        headers = [(":method", request["method"]), (":scheme", "http"),
                   (":authority", request["host"]), (":path", request["path"]), *more,
                   *((name.lower(), value) for name, value in request["headers"])]
        (_, body, reset), = connection.exchange([(headers, b"")])
        self.assertFalse(reset, request)
        return MARK in body

    def test_decides_random_policies_as_the_specification_says_over_every_protocol(self):
        pairs = 0
        for number, each in enumerate(self.cases):
            self.mesh.write("policies.yaml", "\n---\n".join(map(json.dumps, each["policies"])))
            await_true(f"set {number} is in force",
                       lambda n=number: f"set{n}-" in json.dumps(self.backend.status()), 10)
            connections = {}
            for index, request in enumerate(each["requests"]):
                if not request["http"]:
                    answers = {"TCP": self.over_tcp(request)}
                elif index % 2:
                    answers = {"HTTP/1.1": self.over_http1(request)}
                else:
                    port = self.port(request)
                    if port not in connections:
                        connections[port] = http2.Connection(port)
                    answers = {"HTTP/2": self.over_http2(connections[port], request)}
                    if request["method"] == "POST":
                        answers["gRPC"] = self.over_http2(
                            connections[port], request,
                            [("content-type", "application/grpc"), ("te", "trailers")])
                for protocol, allowed in answers.items():
                    pairs += 1
                    self.assertEqual(allowed, request["allowed"], (
                        protocol, request, json.dumps(each["policies"])))
            for connection in connections.values():
                connection.close()
        self.assertGreaterEqual(pairs, 500)


if __name__ == "__main__":
    unittest.main()
