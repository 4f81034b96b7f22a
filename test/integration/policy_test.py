"""Policies decide exactly, before the application is reached, and change without a restart."""

import threading
import unittest

from mesh import Mesh, allow, await_true, documents, raw, request, service

HOST = "backend.demo.svc.cluster.local"
FRONTEND = "cluster.local/ns/demo/sa/frontend"


def rules(*lines):
    return "\n".join("  " + line for line in lines)


class PolicyTest(unittest.TestCase):
    def setUp(self):
        self.mesh = Mesh()
        self.addCleanup(self.mesh.__exit__, None)
        self.app, _ = self.mesh.nginx("location / { return 200 \"$request_method $request_uri\"; }")
        self.dialled = 0
        self.lock = threading.Lock()
        self.tcp = self.mesh.server(self.greet)
        self.mesh.write("services.yaml", documents(
            service("backend", self.app), service("greeter", self.tcp, port=9000, port_name="tcp")))

    def greet(self, connection):
        with self.lock:
            self.dialled += 1
        connection.sendall(b"220 hello\r\n")
        while connection.recv(4096):
            pass

    def start(self, policy, greeter_policy=None):
        self.mesh.write("policy.yaml", policy)
        if greeter_policy:
            self.mesh.write("greeter.yaml", greeter_policy)
        self.mesh.start()
        self.backend = self.mesh.add("backend", inbound=[(self.app, "HTTP")])
        self.greeter = self.mesh.add("greeter", inbound=[(self.tcp, "TCP")])
        outbound = [(HOST, 80), ("greeter.demo.svc.cluster.local", 9000)]
        self.frontend = self.mesh.add("frontend", outbound=outbound)
        self.intruder = self.mesh.add("intruder", outbound=outbound)
        for workload in (self.frontend, self.intruder):
            await_true("a decision", lambda w=workload: self.get(w, "/ready").status in (200, 403))

    def get(self, workload, path="/", method="GET"):
        return request(workload.outbound[HOST], path, method)

    def tcp_through(self, workload):
        return raw(workload.outbound["greeter.demo.svc.cluster.local"], b"", end=True)

    def test_allows_by_principal_method_path_and_port(self):
        self.start(allow("readers", "backend", rules(
            "- from:", f"  - source: {{principals: [\"{FRONTEND}\"]}}", "  to:",
            f"  - operation: {{methods: [\"GET\"], paths: [\"/public/*\", \"/ready\"], "
            f"ports: [\"{self.app}\"]}}")))
        self.assertEqual(self.get(self.frontend, "/public/a").status, 200)
        self.assertEqual(self.get(self.frontend, "/private").status, 403)
        self.assertEqual(self.get(self.frontend, "/public/a", "POST").status, 403)
        denied = self.get(self.intruder, "/public/a")
        self.assertEqual((denied.status, denied.body), (403, b"RBAC: access denied"))
        self.assertTrue(denied.headers["Content-Type"].startswith("text/plain"))
        line = self.backend.logged(decision="denied", path="/public/a", method="GET")
        self.assertEqual(line["reason"], "policy_denied")
        self.assertEqual(line["source"]["principal"], self.intruder.spiffe_id)

    def test_denies_what_is_denied_in_every_spelling_and_forwards_what_it_matched(self):
        self.start(documents(
            allow("everyone", "backend", "  - {}"),
            allow("no-admin", "backend", rules(
                "- to:", "  - operation: {paths: [\"/admin\", \"/admin/*\"]}"), action="DENY")))
        for path in ("/admin", "/admin/x", "//admin", "/a/../admin", "/%61dmin", "/a/%2e%2e/admin",
                     "/x%2f..%2fadmin", "\\admin", "/admin;a=b", "/admin;a=b/x", "/./admin",
                     "/admin?x", "/x/..;/admin", "/%252e%252e/admin"):
            target = path if path.startswith("/") else "/" + path
            received = raw(self.frontend.outbound[HOST],
                           f"GET {target} HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n".encode())
            self.assertIn(received[9:12], (b"403", b"400"), target)
        self.assertEqual(self.get(self.frontend, "/a/b/../c//d?q=/../x").body, b"GET /a/c/d?q=/../x")
        self.assertEqual(self.backend.logged(decision="denied")["policy"], "demo/no-admin")
        self.assertEqual(self.backend.logged(decision="denied")["rule"], 0)

    def test_decides_tcp_before_the_application_is_dialled(self):
        self.start(allow("everyone", "backend", "  - {}"), allow("readers", "greeter", rules(
            "- from:", f"  - source: {{principals: [\"{FRONTEND}\"]}}")))
        self.assertEqual(self.tcp_through(self.frontend), b"220 hello\r\n")
        with self.lock:
            before = self.dialled
        self.assertEqual(self.tcp_through(self.intruder), b"")
        self.assertEqual(self.greeter.logged(reason="policy_denied")["source"]["principal"],
                         self.intruder.spiffe_id)
        with self.lock:
            self.assertEqual(self.dialled, before)

    def test_applies_a_change_within_seconds_and_closes_tunnels_it_denies(self):
        self.start(allow("everyone", "backend", "  - {}"), allow("everyone-g", "greeter", "  - {}"))
        import socket
        port = self.intruder.outbound["greeter.demo.svc.cluster.local"]
        with socket.create_connection(("127.0.0.1", port), timeout=10) as live:
            self.assertEqual(live.recv(100), b"220 hello\r\n")
            self.assertEqual(self.get(self.intruder).status, 200)
            self.mesh.write("policy.yaml", allow("everyone", "backend", rules(
                "- from:", f"  - source: {{principals: [\"{FRONTEND}\"]}}")))
            self.mesh.write("greeter.yaml", allow("everyone-g", "greeter", rules(
                "- from:", f"  - source: {{principals: [\"{FRONTEND}\"]}}")))
            await_true("403 for the intruder", lambda: self.get(self.intruder).status == 403, 5)
            try:
                self.assertEqual(live.recv(100), b"")
            except ConnectionResetError:
                pass
        self.assertEqual(self.get(self.frontend).status, 200)

    def test_keeps_the_last_good_file_when_one_breaks(self):
        good = allow("readers", "backend", rules(
            "- from:", f"  - source: {{principals: [\"{FRONTEND}\"]}}"))
        self.start(good)
        for broken in (good.replace("principals", "principls"), good.replace("ALLOW", "PERMIT"),
                       good + "  when:\n  - {key: x, values: [y]}\n", "a: [b", good + "\n:::"):
            self.mesh.write("policy.yaml", broken)
            files = await_true("the file is reported", lambda: [
                f for f in self.mesh.kithctl("status")["registry"]["files"] if f["state"] == "bad"])
            self.assertIn("policy.yaml", files[0]["file"] + files[0]["error"])
            self.assertEqual(self.get(self.frontend).status, 200)
            self.assertEqual(self.get(self.intruder).status, 403)
            self.mesh.write("policy.yaml", good)
            await_true("the file is good again", lambda: not [
                f for f in self.mesh.kithctl("status")["registry"]["files"] if f["state"] == "bad"])

    def test_refuses_a_custom_policy_that_names_nobody_to_ask(self):
        good = allow("readers", "backend", "  - {}")
        self.start(good)
        self.mesh.write("policy.yaml", good.replace("action: ALLOW", "action: CUSTOM"))
        bad = await_true("the file is reported", lambda: [
            f for f in self.mesh.kithctl("status")["registry"]["files"] if f["state"] == "bad"])
        self.assertIn("spec.provider", bad[0]["error"])
        self.assertEqual(self.get(self.frontend).status, 200)


if __name__ == "__main__":
    unittest.main()
