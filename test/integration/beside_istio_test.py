"""A pod with Kith's sidecar and one with Istio's, in one trust domain and under one root, speak mutual
TLS both ways, HTTP and TCP: each finds the other's identity and agrees on what the other offers.
"""

import http.client
import socket
import unittest

import istio_sidecar
from http2_client import Http2Client
from mesh import (Mesh, allow, await_true, documents, free_port, peer_authentication, request,
                  service)

LEGACY = "spiffe://cluster.local/ns/demo/sa/legacy"
BACKEND = "spiffe://cluster.local/ns/demo/sa/backend"
HOST = "legacy.demo.svc.cluster.local"


def istio_pod(name, service_account, http, tcp, grpc):
    """As its EndpointSlices and labels say where it is."""
    return f"""
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: demo}}
spec:
  selector: {{app: {name}}}
  ports: [{{name: http, port: 80}}, {{name: tcp-echo, port: 9000}}, {{name: grpc, port: 81}}]
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {{name: {name}-1, namespace: demo}}
spec:
  address: 127.0.0.1
  serviceAccount: {service_account}
  ports: {{http: {http}, tcp-echo: {tcp}, grpc: {grpc}}}
  labels: {{app: {name}, security.istio.io/tlsMode: istio}}
"""


def istio_http2(mesh, credentials, roots):
    """The port of nginx as the HTTP chain of Istio's inbound side: h2 or http/1.1, and a certificate."""
    port = free_port()
    mesh.nginx(f"""
    listen 127.0.0.1:{port} ssl http2;
    ssl_certificate {credentials[0]};
    ssl_certificate_key {credentials[1]};
    ssl_client_certificate {roots};
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_verify_client on;
    location / {{ return 200 "$ssl_client_verify $server_protocol"; }}""")
    return port


def echo(connection):
    while data := connection.recv(65536):
        connection.sendall(data)


class BesideIstioTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.mesh = cls.enterClassContext(Mesh())
        cls.mesh.start()
        roots = cls.mesh.state / "root-cert.pem"
        cls.roots, cls.credentials = roots, cls.mesh.sign_leaf("legacy", LEGACY)
        cls.inbound = istio_sidecar.Inbound(cls.credentials, roots)
        cls.istio_port = cls.mesh.server(cls.inbound)
        web, _ = cls.mesh.nginx("location / { return 200 $http_x_envoy_peer_metadata_id; }")
        cls.web, cls.tcp = web, cls.mesh.server(echo)
        cls.mesh.write("mesh.yaml", documents(
            peer_authentication("STRICT"), service("backend", web),
            istio_pod("legacy", "legacy", cls.istio_port, cls.istio_port,
                      istio_http2(cls.mesh, cls.credentials, roots)),
            # The same server, which is not who the mesh says is there.
            istio_pod("another", "another", cls.istio_port, cls.istio_port, cls.istio_port),
            allow("legacy", "backend", """\
  - from:
    - source: {principals: [cluster.local/ns/demo/sa/legacy]}
""")))
        cls.backend = cls.mesh.add("backend", inbound=[(web, "HTTP"), (cls.tcp, "TCP")])
        cls.frontend = cls.mesh.add("frontend", outbound=[
            (HOST, 80), ("another.demo.svc.cluster.local", 80)])
        cls.raw = cls.mesh.add("raw", outbound=[(HOST, 9000)])
        cls.caller = cls.mesh.add("caller", outbound=[(HOST, 81)])
        await_true("the way to Istio's pod", lambda: request(
            cls.frontend.outbound[HOST]).status == 200)

    def call(self, application, alpn):
        return istio_sidecar.connect(self.backend.inbound[application], self.credentials, self.roots,
                                     alpn, server=BACKEND)

    def test_calls_istios_sidecar_with_http(self):
        before = len(self.inbound.seen)
        answer = request(self.frontend.outbound[HOST], "/hello", "GET")
        self.assertEqual(answer.status, 200)
        self.assertTrue(answer.body.startswith(b"GET /hello HTTP/1.1\r\n"), answer.body)
        # One connection carries many requests; whichever it was, it was agreed on so.
        chains = set((chain, agreed, *peer) for chain, agreed, peer in self.inbound.seen
                     if chain == "http" and peer)
        self.assertEqual(chains, {("http", "http/1.1",
                                   "spiffe://cluster.local/ns/demo/sa/frontend")})
        self.assertLessEqual(len(self.inbound.seen), before + 1)

    def test_calls_istios_sidecar_with_http_2(self):
        port = self.caller.outbound[HOST]
        answer = await_true("the way", lambda: (got := request(port)).status == 200 and got)
        self.assertEqual(answer.body, b"SUCCESS HTTP/2.0")

    def test_calls_istios_sidecar_with_bytes(self):
        with socket.create_connection(("127.0.0.1", self.raw.outbound[HOST]), 10) as connection:
            connection.sendall(b"server-first or not")
            self.assertEqual(connection.recv(100), b"server-first or not")
        self.assertIn(("tcp", None, ["spiffe://cluster.local/ns/demo/sa/raw"]), self.inbound.seen)

    def test_takes_no_other_identity_for_the_one_it_calls(self):
        answer = request(self.frontend.outbound["another.demo.svc.cluster.local"])
        self.assertEqual(answer.status, 503)
        self.frontend.logged(reason="wrong_san")

    def test_is_called_by_istios_sidecar_with_http(self):
        for alpn in (istio_sidecar.HTTP1, istio_sidecar.HTTP10):
            with self.call(self.web, alpn) as connection:
                self.assertEqual(connection.selected_alpn_protocol(), alpn[0])
                connection.sendall(b"GET /in HTTP/1.1\r\nHost: backend\r\n%s: %s\r\n\r\n" % tuple(
                    each.encode() for each in istio_sidecar.METADATA))
                response = http.client.HTTPResponse(connection)
                response.begin()
                self.assertEqual(response.status, 200)
        line = self.backend.logged(path="/in")
        self.assertEqual(line["source"]["principal"], LEGACY)

    def test_is_called_by_istios_sidecar_with_http_2(self):
        connection = self.call(self.web, istio_sidecar.HTTP2)
        self.assertEqual(connection.selected_alpn_protocol(), "istio-h2")
        client = Http2Client(connection=connection)
        self.addCleanup(client.close)
        self.assertTrue(client.exchange(method="GET", path="/in2")[0])

    def test_is_called_by_istios_sidecar_with_bytes(self):
        with self.call(self.tcp, istio_sidecar.TCP) as connection:
            # Agreeing on the exchange of peers would mean to speak it.
            self.assertIsNone(connection.selected_alpn_protocol())
            connection.sendall(b"hello")
            self.assertEqual(connection.recv(100), b"hello")

    def test_decides_by_the_identity_of_istios_pod(self):
        other = self.mesh.sign_leaf("other", "spiffe://cluster.local/ns/demo/sa/other")
        with istio_sidecar.connect(self.backend.inbound[self.web], other, self.roots,
                                   istio_sidecar.HTTP1, server=BACKEND) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: backend\r\n\r\n")
            self.assertTrue(connection.recv(100).startswith(b"HTTP/1.1 403"))


if __name__ == "__main__":
    unittest.main()
