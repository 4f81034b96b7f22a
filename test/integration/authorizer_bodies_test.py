"""External authorizers are shown requests' bodies, and the application gets them whole."""

import random
import tempfile
import unittest

from custom_test import HERE, custom, host, provider
from mesh import Mesh, Process, await_true, documents, free_port, raw, request, service

LIMIT = 4000
SHOWN = f"""      includeRequestBodyInCheck:
        maxRequestBytes: {LIMIT}
"""


def echo_bodies(connection):
    """Answers with what the authorizer has said of the body, and the body."""
    stream = connection.makefile("rwb")
    while stream.readline():
        headers = {}
        while (line := stream.readline().strip()):
            name, _, value = line.partition(b":")
            headers[name.strip().lower()] = value.strip()
        body = b""
        if headers.get(b"transfer-encoding") == b"chunked":
            while size := int(stream.readline(), 16):
                body += stream.read(size)
                stream.readline()
            stream.readline()
        else:
            body = stream.read(int(headers.get(b"content-length", 0)))
        stream.write(b"HTTP/1.1 200 OK\r\nx-said: %s\r\nx-expect: %s\r\ncontent-length: %d\r\n\r\n%s" % (
            headers.get(b"x-shown", b"-"), headers.get(b"expect", b"-"), len(body), body))
        stream.flush()


def chunked(body):
    pieces = [body[at:at + 700] for at in range(0, len(body), 700)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


class AuthorizerBodiesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.mesh = Mesh()
        cls.addClassCleanup(cls.mesh.__exit__, None)
        grpc_port, http_port = free_port(), free_port()
        cls.authorizer = Process("authorizer", ["/usr/bin/python3", HERE / "authorizer.py", grpc_port,
                                                http_port, tempfile.mkdtemp(dir=cls.mesh.directory)],
                                 cls.mesh.directory)
        cls.addClassCleanup(cls.authorizer.end)
        app = cls.mesh.server(echo_bodies)
        asked = '  - to:\n    - operation: {notPaths: ["/free*"]}'
        apps = ["text", "raw", "http", "cut"]
        cls.mesh.write("mesh.yaml", documents(
            "apiVersion: mesh.kith.dev/v1alpha1\nkind: MeshConfig\nmetadata: {name: mesh}\nspec:\n"
            "  extensionProviders:"
            + provider("text", "Grpc", grpc_port, SHOWN)
            + provider("raw", "Grpc", grpc_port, SHOWN + "        packAsBytes: true\n")
            + provider("cut", "Grpc", grpc_port, SHOWN + "        allowPartialMessage: true\n")
            + provider("http", "Http", http_port, SHOWN + "      pathPrefix: /check\n"
                       "      headersToUpstreamOnAllow: [x-shown]\n"),
            *(service(name, app) for name in apps),
            *(custom(f"ask-{name}", name, name, asked) for name in apps)))
        cls.mesh.start()
        cls.apps = {name: cls.mesh.add(name, inbound=[(app, "HTTP")]) for name in apps}
        cls.frontend = cls.mesh.add("frontend", outbound=[(host(name), 80) for name in apps])
        await_true("the authorizer is ready", lambda: "ready" in cls.authorizer.log())
        for name in apps:
            await_true(f"the way to {name}",
                       lambda n=name: request(cls.frontend.outbound[host(n)], "/free").status == 200)
        cls.inbound = {name: next(iter(workload.inbound.values()))
                       for name, workload in cls.apps.items()}

    def ways(self, name):
        """Over a link, and in HTTP/1.1 from outside the mesh."""
        return [self.frontend.outbound[host(name)], self.inbound[name]]

    def test_shows_the_whole_body_and_forwards_it(self):
        body = random.Random(1).randbytes(LIMIT - 6) + b"please"
        for name, said in (("text", "text"), ("raw", "raw"), ("http", "http")):
            for way in self.ways(name):
                answer = request(way, "/body", "POST", body=body)
                self.assertEqual((answer.status, answer.body == body), (200, True), name)
                if name != "text":  # Bytes that are no UTF-8 are shown as "!".
                    self.assertEqual(answer.headers["x-said"], f"{LIMIT} {said} false")
                self.assertEqual(request(way, "/body", "POST", body=b"give me").status, 403, name)
                self.assertEqual(request(way, "/body").status, 403, "no body is an empty one")

    def test_shows_bodies_without_a_length_and_keeps_requests_apart(self):
        body = b"a" * 3000 + b"please"
        for way in self.ways("raw"):
            head = b"POST /body HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
            answer = raw(way, (head + chunked(body)) * 2 + b"GET /free HTTP/1.1\r\nHost: h\r\n"
                         b"Connection: close\r\n\r\n")
            self.assertEqual(answer.count(b"200 OK"), 3, answer[:300])
            self.assertEqual(answer.count(body), 2)

    def test_refuses_a_longer_body_before_anybody_is_asked(self):
        long = b"please" + b"b" * LIMIT
        for way in self.ways("raw"):
            self.assertEqual(request(way, "/body", "POST", body=long).status, 413)
            head = b"POST /body HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
            self.assertIn(b" 413 ", raw(way, head + chunked(long))[:20])
        line = self.apps["raw"].logged(reason="request_too_large")
        self.assertIn("authorizer", line["detail"])

    def test_shows_the_beginning_of_a_longer_body_where_that_is_allowed(self):
        long = b"please" + random.Random(2).randbytes(300_000).replace(b"\0", b"0")
        for way in self.ways("cut"):
            answer = request(way, "/body", "POST", body=long)
            self.assertEqual((answer.status, answer.body == long), (200, True))
            self.assertTrue(answer.headers["x-said"].endswith("text true"), answer.headers["x-said"])

    def test_tells_a_client_that_waits_to_go_on(self):
        way = self.inbound["raw"]
        answer = raw(way, b"POST /body HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
                     b"Content-Length: 6\r\nConnection: close\r\n\r\nplease")
        self.assertTrue(answer.startswith(b"HTTP/1.1 100 "), answer[:40])
        self.assertIn(b"x-expect: -", answer, "the application need not ask again")


if __name__ == "__main__":
    unittest.main()
