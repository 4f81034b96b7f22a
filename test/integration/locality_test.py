"""A client prefers the servers of its own zone while they are healthy, and finds others when they are
not, without a failed request."""

import unittest

from mesh import Mesh, await_true, request

HOST = "near.partner.example"


def answering(name):
    def answer(connection):
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
            while b"\r\n\r\n" in received:
                received = received.partition(b"\r\n\r\n")[2]
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"
                                   % (len(name), name))
    return answer


def entry(zones, policy):
    endpoints = "\n".join(
        f"  - {{address: 127.0.0.1, ports: {{p: {port}}}, locality: {zone}}}"
        for zone, port in zones.items())
    return f"""
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: near, namespace: demo}}
spec:
  hosts: [{HOST}]
  resolution: STATIC
  ports: [{{number: 80, name: p, protocol: HTTP}}]
  endpoints:
{endpoints}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: near, namespace: demo}}
spec: {{host: {HOST}, trafficPolicy: {policy}}}
"""


class LocalityTest(unittest.TestCase):
    def test_prefers_the_own_zone_and_fails_over(self):
        with Mesh() as mesh:
            near, far = mesh.server(answering(b"near")), mesh.server(answering(b"far"))
            detection = ("{loadBalancer: {simple: ROUND_ROBIN}, outlierDetection: "
                         "{consecutiveGatewayErrors: 1, baseEjectionTime: 1h}}")
            mesh.write("near.yaml", entry({"eu/1": near, "us/1": far},
                                          "{loadBalancer: {simple: ROUND_ROBIN}}"))
            mesh.start()
            frontend = mesh.add("frontend", outbound=[(HOST, 80)], start=False)
            text = frontend.config_path.read_text()
            frontend.config_path.write_text(text.replace(
                "  labels:\n", "  labels:\n    topology.kubernetes.io/region: eu\n"
                "    topology.kubernetes.io/zone: '1'\n"))
            frontend.start().await_ready()
            port = frontend.outbound[HOST]

            def answers():
                return {request(port).body for _ in range(6)}

            await_true("without outlier detection both answer", lambda: answers() == {b"near", b"far"})
            mesh.write("near.yaml", entry({"eu/1": near, "us/1": far}, detection))
            await_true("the own zone answers", lambda: answers() == {b"near"})
            dead = mesh.server(answering(b""))
            mesh.write("near.yaml", entry({"eu/1": near, "us/1": far, "eu/2": dead}, detection))
            await_true("the own zone answers still", lambda: answers() == {b"near"})

            # A port that nobody listens on, in the own zone.
            mesh.write("near.yaml", entry({"eu/1": 1, "us/1": far}, detection))
            await_true("it fails over", lambda: answers() == {b"far"})
            self.assertEqual({request(port).status for _ in range(20)}, {200})
            self.assertGreaterEqual(frontend.metric("kith_upstream_ejections_total"), 1)


if __name__ == "__main__":
    unittest.main()
