"""What a DestinationRule and the identity headers do, with the real programs: a failing endpoint is
left out, a rule that changes is in force a moment later, and an application learns who its client is
and nothing that the client made up."""

import unittest

from mesh import Mesh, allow, await_true, documents, raw, request, service

HOST = "backend.demo.svc.cluster.local"
READERS = allow("readers", "backend", """\
  - from:
    - source: {principals: ["cluster.local/ns/demo/sa/frontend"]}
""")


def rule(policy, name_space="demo"):
    return f"""
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: backend, namespace: {name_space}}}
spec: {{host: backend, trafficPolicy: {policy}}}
"""


def echo_heads(connection):
    """Answers each request with its own head as the body."""
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
        while b"\r\n\r\n" in received:
            head, _, received = received.partition(b"\r\n\r\n")
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(head), head))


class TrafficTest(unittest.TestCase):
    def test_leaves_out_an_endpoint_that_fails_once_the_rule_says_so(self):
        with Mesh() as mesh:
            good, _ = mesh.nginx("location / { return 200 good; }")
            bad, _ = mesh.nginx("location / { return 500 bad; }")
            # One service port, and a target port of its own for each of the two workloads.
            mesh.write("mesh.yaml", documents(
                service("backend", 8080), READERS, rule("{loadBalancer: {simple: ROUND_ROBIN}}")))
            mesh.start()
            for name, port in (("backend-good", good), ("backend-bad", bad)):
                workload = mesh.add(name, "backend", inbound=[(port, "HTTP")], start=False)
                text = workload.config_path.read_text()
                workload.config_path.write_text(text.replace(
                    "  protocol: HTTP", "  protocol: HTTP\n  port: 8080"))
                workload.start().await_ready()
            frontend = mesh.add("frontend", outbound=[(HOST, 80)])
            port = frontend.outbound[HOST]
            await_true("both answer",
                       lambda: {request(port).status for _ in range(4)} == {200, 500})
            statuses = [request(port).status for _ in range(10)]
            self.assertEqual(statuses.count(500), 5, "round robin")

            mesh.write("mesh.yaml", documents(service("backend", 8080), READERS, rule(
                "{outlierDetection: {consecutive5xxErrors: 3, baseEjectionTime: 1h}}")))
            await_true("the failing one is left out", lambda: (request(port).status, frontend.metric(
                "kith_upstream_ejections_total"))[1] == 1)
            self.assertEqual({request(port).status for _ in range(20)}, {200})

    def test_refuses_a_rule_it_does_not_enforce_and_keeps_the_last_good_one(self):
        with Mesh() as mesh:
            mesh.write("rule.yaml", rule("{loadBalancer: {simple: RANDOM}}"))
            mesh.start()
            mesh.write("rule.yaml", rule("{tls: {mode: SIMPLE, credentialName: partner}}"))

            def report():
                files = mesh.kithctl("status")["registry"]["files"]
                return next((f for f in files if f.get("error")), None)

            self.assertIn("tls", await_true("the file is reported", report)["error"])

    def test_tells_the_application_who_its_client_is_and_nothing_forged(self):
        with Mesh() as mesh:
            application = mesh.server(echo_heads)
            mesh.write("mesh.yaml", documents(service("backend", application), READERS))
            mesh.start()
            backend = mesh.add("backend", inbound=[(application, "HTTP")], start=False)
            text = backend.config_path.read_text()
            backend.config_path.write_text(text.replace(
                "  protocol: HTTP",
                "  protocol: HTTP\n  clientCertificateHeaders: {sslClient: ADDED}"))
            backend.start().await_ready()
            frontend = mesh.add("frontend", outbound=[(HOST, 80)])
            port = frontend.outbound[HOST]
            await_true("it answers", lambda: request(port).status == 200)
            seen = raw(port, b"GET / HTTP/1.1\r\nHost: backend\r\nConnection: close\r\n"
                             b"X-Forwarded-Client-Cert: By=x;URI=spiffe://cluster.local/forged\r\n"
                             b"x_forwarded_client_cert: forged\r\n"
                             b"X-SSL-Client-Verify: forged\r\nX_SSL_Client_S_DN: forged\r\n\r\n",
                       end=False).decode()
            self.assertNotIn("forged", seen)
            self.assertRegex(seen, f"x-forwarded-client-cert: By={backend.spiffe_id};"
                             f"Hash=[0-9a-f]{{64}};Subject=\"\";URI={frontend.spiffe_id}\r\n")
            self.assertIn("X-SSL-Client-Verify: SUCCESS\r\n", seen)
            self.assertIn(f"X-SSL-Client-URI: {frontend.spiffe_id}", seen)


if __name__ == "__main__":
    unittest.main()
