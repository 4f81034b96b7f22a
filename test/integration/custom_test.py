"""CUSTOM policies ask an external authorizer, over gRPC and HTTP, about requests and connections,
and what it answers is what happens."""

import contextlib
import pathlib
import socket
import struct
import tempfile
import unittest

from mesh import (Mesh, Process, allow, await_true, documents, free_port, peer_authentication, raw,
                  request, service)

HERE = pathlib.Path(__file__).resolve().parent


def echo_heads(connection):
    """Answers each request with its own head as the body."""
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
        while b"\r\n\r\n" in received:
            head, _, received = received.partition(b"\r\n\r\n")
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(head), head))


def arrived(answer):
    """The headers of the request as the application got it, in lower case: (name, value)."""
    lines = answer.body.decode().split("\r\n")[1:]
    return [(name.lower(), value) for name, _, value in (line.partition(": ") for line in lines)]


def host(name):
    return f"{name}.demo.svc.cluster.local"


def provider(name, kind, port, more="", where="127.0.0.1"):
    return f"""
  - name: {name}
    envoyExtAuthz{kind}:
      service: {where}
      port: {port}
      timeout: 1.5s
{more}"""


def custom(name, app, provider_name, rules):
    return allow(name, app, rules, action=f"CUSTOM\n  provider: {{name: {provider_name}}}")


class CustomTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.mesh = Mesh()
        cls.addClassCleanup(cls.mesh.__exit__, None)
        grpc_port, http_port, dead = free_port(), free_port(), free_port()
        generated = tempfile.mkdtemp(dir=cls.mesh.directory)
        cls.authorizer = Process("authorizer", ["/usr/bin/python3", HERE / "authorizer.py",
                                                grpc_port, http_port, generated],
                                 cls.mesh.directory)
        cls.addClassCleanup(cls.authorizer.end)
        cls.app = cls.mesh.server(echo_heads)
        cls.tcp = cls.mesh.server(cls.greet)
        everything = '  - to:\n    - operation: {notPaths: ["/free*"]}'
        http = """      pathPrefix: /check
      includeRequestHeadersInCheck: [x-shown]
      headersToUpstreamOnAllow: [x-user, "x-up-*"]
      headersToDownstreamOnAllow: [x-down]
"""
        apps = {"grpc": "opa", "http": "web", "closed": "dead", "open": "dead-open",
                "missing": "nobody", "meshed": "opa-in-mesh"}
        cls.mesh.write("mesh.yaml", documents(
            "apiVersion: mesh.kith.dev/v1alpha1\nkind: MeshConfig\nmetadata: {name: mesh}\nspec:\n"
            "  extensionProviders:"
            + provider("opa", "Grpc", grpc_port)
            + provider("web", "Http", http_port, http)
            + provider("opa-in-mesh", "Grpc", 9191, where=host("opa"))
            + provider("dead", "Http", dead, "      statusOnError: \"503\"\n")
            + provider("dead-open", "Grpc", dead, "      failOpen: true\n"),
            *(service(app, cls.app) for app in apps),
            *(custom(f"ask-{app}", app, name, everything) for app, name in apps.items()),
            allow("never", "grpc", '  - to:\n    - operation: {paths: ["/never"]}', action="DENY"),
            service("opa", grpc_port, port=9191, port_name="grpc"),
            peer_authentication("STRICT", "opa", "demo").replace(
                "spec:", "spec:\n  selector: {matchLabels: {app: opa}}"),
            service("greeter", cls.tcp, port=9000, port_name="tcp")))
        cls.mesh.write("greeter.yaml", custom("ask-greeter", "greeter", "opa", "  - {}"))
        cls.mesh.start()
        cls.opa = cls.mesh.add("opa", inbound=[(grpc_port, "HTTP2")])
        cls.apps = {app: cls.mesh.add(app, inbound=[(cls.app, "HTTP")]) for app in apps}
        cls.greeter = cls.mesh.add("greeter", inbound=[(cls.tcp, "TCP")])
        outbound = [(host(app), 80) for app in apps] + [(host("greeter"), 9000)]
        cls.frontend = cls.mesh.add("frontend", outbound=outbound)
        cls.intruder = cls.mesh.add("intruder", outbound=[(host("greeter"), 9000)])
        await_true("the authorizer is ready", lambda: "ready" in cls.authorizer.log())
        for app in apps:
            await_true(f"the way to {app}", lambda a=app: cls.get(a, "/free").status == 200)

    @staticmethod
    def greet(connection):
        connection.sendall(b"220 hello\r\n")
        while connection.recv(4096):
            pass

    @classmethod
    def get(cls, app, path, method="GET", **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return request(cls.frontend.outbound[host(app)], path, method, headers=headers)

    def counted(self, app, provider_name, result):
        return self.apps[app].metric("kith_external_authorizations_total", provider=provider_name,
                                     result=result)

    def test_asks_over_grpc_and_does_what_it_says(self):
        answer = self.get("grpc", "/ok?q=1", x_a="1", x_user="root", x_secret="s")
        self.assertEqual(answer.status, 200)
        for header in (("x-user", "frontend"), ("x-seen", "GET /ok?q=1 1 grpc"), ("x-a", "1"),
                       ("x-a", "appended")):
            self.assertIn(header, arrived(answer))
        self.assertNotIn(("x-user", "root"), arrived(answer))
        self.assertNotIn("x-secret", dict(arrived(answer)))
        self.assertEqual(answer.headers["x-decided-by"], "grpc")
        self.assertGreaterEqual(self.counted("grpc", "opa", "allowed"), 1)

    def test_gives_the_client_what_a_grpc_authorizer_denies_with(self):
        denied = self.get("grpc", "/deny/x", "POST")
        self.assertEqual((denied.status, denied.body), (401, b"log in first"))
        self.assertEqual(denied.headers["x-login"], "/login")
        line = self.apps["grpc"].logged(reason="external_denied")
        self.assertEqual((line["policy"], line["rule"], line["decision"], line["detail"]),
                         ("demo/ask-grpc", 0, "denied", "not today"))
        self.assertEqual(self.counted("grpc", "opa", "denied"), 1)
        grpc = self.get("grpc", "/deny/y", "POST", Content_Type="application/grpc")
        self.assertEqual((grpc.status, grpc.headers["grpc-status"]), (200, "16"))

    def test_asks_an_authorizer_of_the_mesh_over_mutual_tls(self):
        await_true("the authorizer is known", lambda: self.get("meshed", "/ok").status == 200)
        line = self.opa.logged(path="/envoy.service.auth.v3.Authorization/Check")
        self.assertEqual(line["source"]["principal"], self.apps["meshed"].spiffe_id)
        self.assertEqual(self.get("meshed", "/deny").status, 401)

    def test_denies_by_deny_behind_an_authorizer_that_allows(self):
        self.assertEqual(self.get("grpc", "/never").body, b"RBAC: access denied")

    def test_refuses_when_the_authorizer_fails(self):
        for path in ("/broken", "/nonsense", "/slow"):
            failed = self.get("grpc", path)
            self.assertEqual(failed.status, 403, path)
            self.assertNotIn(b"opinion", failed.body)
        # The authorizer knows the deadline too, and may be the first to say that it has passed.
        for details in (["no opinion today"], [":path"],
                        ["no answer within 1.5s", "Deadline Exceeded"]):
            await_true(str(details), lambda d=details: any(
                each in self.apps["grpc"].access_log.read_text() for each in d))
        self.assertEqual(self.get("closed", "/x").status, 503)
        self.assertEqual(self.get("missing", "/x").status, 403)
        self.assertIn("no extension provider",
                      self.apps["missing"].logged(reason="external_failed")["detail"])
        self.assertEqual(self.get("open", "/x").status, 200)
        self.assertEqual(self.counted("open", "dead-open", "failed_open"), 1)

    def test_asks_over_http_and_does_what_it_says(self):
        answer = self.get("http", "/ok", x_shown="see", x_private="no", x_user="root", X_Up_B="1")
        self.assertEqual(answer.status, 200)
        headers = dict(arrived(answer))
        self.assertEqual((headers["x-user"], headers["x-up-a"]), ("ann", "see"))
        self.assertNotIn("x-up-b", headers)
        self.assertNotIn("x-other", headers)
        self.assertEqual(answer.headers["x-down"], "yes")
        login = self.get("http", "/login")
        self.assertEqual((login.status, login.headers["Location"], login.body),
                         (302, "/login", b"go there"))
        self.assertEqual(self.get("http", "/broken").status, 403)

    def test_takes_forged_headers_out_when_the_authorizer_sets_none(self):
        for name in ("x-user", "X_User", "x.user"):
            answer = raw(self.frontend.outbound[host("http")],
                         f"GET /quiet HTTP/1.1\r\nHost: h\r\n{name}: root\r\n"
                         "Connection: close\r\n\r\n".encode())
            self.assertIn(b"200 OK", answer[:20])
            self.assertNotIn(b"root", answer, name)

    def test_asks_about_tcp_connections_before_the_application_is_dialled(self):
        allowed = raw(self.frontend.outbound[host("greeter")], b"")
        self.assertEqual(allowed, b"220 hello\r\n")
        self.assertEqual(raw(self.intruder.outbound[host("greeter")], b""), b"")
        line = self.greeter.logged(reason="external_denied")
        self.assertEqual(line["policy"], "demo/ask-greeter")
        self.assertEqual(line["source"]["principal"], self.intruder.spiffe_id)

    def test_puts_live_connections_to_the_authorizer_when_policies_change(self):
        way = self.intruder.outbound[host("greeter")]
        self.mesh.write("greeter.yaml", custom(
            "ask-some", "greeter", "opa", '  - to:\n    - operation: {ports: ["1"]}'))
        await_true("the intruder is let in", lambda: raw(way, b"") == b"220 hello\r\n")
        with socket.create_connection(("127.0.0.1", way), timeout=15) as live:
            self.assertEqual(live.recv(100), b"220 hello\r\n")
            self.mesh.write("greeter.yaml", custom("ask-greeter", "greeter", "opa", "  - {}"))
            with contextlib.suppress(ConnectionResetError):
                self.assertEqual(live.recv(100), b"")
        self.assertEqual(raw(way, b""), b"")

    def test_withdraws_a_question_whose_client_has_gone(self):
        with socket.create_connection(("127.0.0.1", self.frontend.outbound[host("grpc")])) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.sendall(b"GET /slow/gone HTTP/1.1\r\nHost: h\r\n\r\n")
            await_true("the authorizer is asked", lambda: "/slow/gone" in self.authorizer.log())
        line = self.apps["grpc"].logged(path="/slow/gone")
        self.assertNotEqual(line["reason"], "external_failed")


if __name__ == "__main__":
    unittest.main()
