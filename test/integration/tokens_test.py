"""RequestAuthentication and RateLimitPolicy through two sidecars: who a token is for decides what it
may do, a bad one is told why, and nobody exceeds a limit."""

import base64
import http.server
import json
import pathlib
import ssl
import subprocess
import threading
import time
import unittest

from mesh import Mesh, allow, await_true, metric, request, service

HOST = "backend.demo.svc.cluster.local"
GRPC = {"Content-Type": "application/grpc"}


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """An RSA key of openssl's, the key set it is known by, and tokens signed with it."""

    def __init__(self, directory, name):
        self.name = name
        self.file = pathlib.Path(directory) / f"issuer-{abs(hash(name))}.pem"
        self._openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out",
                      str(self.file))
        modulus = self._openssl("rsa", "-in", str(self.file), "-noout", "-modulus")
        number = bytes.fromhex(modulus.decode().strip().split("=")[1])
        self.jwks = json.dumps({"keys": [{"kty": "RSA", "kid": name, "alg": "RS256",
                                          "n": encoded(number), "e": "AQAB"}]})

    @staticmethod
    def _openssl(*arguments, data=None):
        return subprocess.run(["openssl", *arguments], input=data, check=True,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout

    def token(self, **claims):
        header = {"alg": "RS256", "kid": self.name}
        payload = {"iss": self.name, "exp": int(time.time()) + 300, **claims}
        text = ".".join(encoded(json.dumps(part).encode()) for part in (header, payload))
        signature = self._openssl("dgst", "-sha256", "-sign", str(self.file), data=text.encode())
        return f"{text}.{encoded(signature)}"


class KeyServer:
    """An issuer's own web server, over TLS with a certificate of its own for "localhost"."""

    def __init__(self, directory):
        self.certificate = pathlib.Path(directory) / "idp.crt"
        key = pathlib.Path(directory) / "idp.key"
        Issuer._openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                        "/CN=idp", "-addext", "subjectAltName=DNS:localhost", "-keyout", str(key),
                        "-out", str(self.certificate))
        self.documents = {}
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = outer.documents.get(self.path, "").encode()
                self.send_response(200 if body else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://localhost:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def request_authentication(rules):
    return f"""apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {{name: tokens, namespace: demo}}
spec:
  selector: {{matchLabels: {{app: backend}}}}
  jwtRules: {json.dumps(rules)}
"""


def rate_limit(limit, name="limit", app="backend"):
    return f"""apiVersion: mesh.kith.dev/v1alpha1
kind: RateLimitPolicy
metadata: {{name: {name}, namespace: demo}}
spec:
  selector: {{matchLabels: {{app: {app}}}}}
  limit: {json.dumps(limit)}
"""


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


class TokensTest(unittest.TestCase):
    def setUp(self):
        self.mesh = Mesh()
        self.addCleanup(self.mesh.__exit__, None)
        self.app, _ = self.mesh.nginx(
            "location / { return 200 \"$request_uri|$http_x_subject|$http_authorization\"; }")
        self.mesh.write("services.yaml", service("backend", self.app))
        self.mesh.write("policy.yaml", allow("everyone", "backend", "  - {}"))

    def start(self):
        self.mesh.start()
        self.backend = self.mesh.add("backend", inbound=[(self.app, "HTTP")])
        self.frontend = self.mesh.add("frontend", outbound=[(HOST, 80)])
        self.other = self.mesh.add("other", outbound=[(HOST, 80)])

    def get(self, headers=None, path="/", workload=None):
        return request((workload or self.frontend).outbound[HOST], path, headers=headers or {})

    def test_says_who_a_token_is_for_and_what_is_wrong_with_it(self):
        issuer = Issuer(self.mesh.directory, "idp")
        stranger = Issuer(self.mesh.directory, "stranger")
        self.mesh.write("tokens.yaml", request_authentication([{
            "issuer": "idp", "audiences": ["shop"], "jwks": issuer.jwks,
            "outputClaimToHeaders": [{"header": "x-subject", "claim": "sub"}]}]))
        self.start()
        await_true("an answer", lambda: self.get().status == 200)

        self.assertEqual(self.get({"X-Subject": "forged"}).body, b"/||")
        good = issuer.token(sub="alice", aud="shop")
        self.assertEqual(self.get(bearer(good)).body, b"/|alice|")
        self.assertEqual(self.get(path=f"/a?x=1&access_token={good}").body, b"/a?x=1|alice|")
        line = self.backend.logged(request_principal="idp/alice")
        self.assertEqual(line["status"], 200)

        for token, status, body in (
                ("nonsense", 401, b"Jwt is not in the form"),
                (issuer.token(aud="shop", exp=1), 401, b"Jwt is expired"),
                (stranger.token(iss="idp", aud="shop"), 401, b"Jwks doesn't have key to match"),
                (stranger.token(aud="shop"), 401, b"Jwt issuer is not configured"),
                (good[:-4] + "AAAA", 401, b"Jwt verification fails"),
                (issuer.token(aud="other"), 403, b"Audiences in Jwt are not allowed")):
            answer = self.get(bearer(token))
            self.assertEqual((answer.status, answer.body[:len(body)]), (status, body))
            self.assertIn("error=\"invalid_token\"", answer.headers["www-authenticate"])
        self.assertEqual(self.backend.logged(reason="token_refused", status=401)["detail"][:3], "Jwt")
        self.assertEqual(self.backend.metric("kith_request_tokens_total", result="expired"), 1)
        refused = self.get({**bearer("nonsense"), **GRPC})
        self.assertEqual((refused.status, refused.headers["grpc-status"]), (200, "16"))
        # No part of any token is in a log.
        for sidecar in (self.backend, self.frontend):
            self.assertNotIn(good[:40], sidecar.access_log.read_text())

    def test_fetches_keys_and_keeps_them_when_their_issuer_is_gone(self):
        server = KeyServer(self.mesh.directory)
        self.addCleanup(server.close)
        first = Issuer(self.mesh.directory, server.url)
        with open(self.mesh.control_plane_config, "a") as config:
            config.write("keyFetching:\n  trustedHosts: [localhost]\n  refresh: 1s\n"
                         f"  caFile: {server.certificate}\n")
        self.mesh.write("tokens.yaml", request_authentication([{"issuer": server.url}]))
        self.start()
        await_true("an answer", lambda: self.get().status == 200)
        token = first.token(sub="alice")
        answer = self.get(bearer(token))
        self.assertEqual((answer.status, answer.body), (401, b"Jwks remote fetch is failed"))
        server.documents = {
            "/.well-known/openid-configuration": json.dumps({"jwks_uri": f"{server.url}/keys"}),
            "/keys": first.jwks}
        await_true("the keys", lambda: self.get(bearer(token)).status == 200, 25)
        server.documents = {}
        await_true("failed fetches", lambda: metric(
            self.mesh.metrics_port, "kith_jwks_fetches_total", result="failed") > 1, 25)
        self.assertEqual(self.get(bearer(token)).status, 200)

    def test_holds_each_peer_to_its_limit(self):
        self.mesh.write("limits.yaml", rate_limit(
            {"key": "PRINCIPAL", "requests": 3, "per": "3600s"}))
        self.start()
        await_true("an answer", lambda: self.get(workload=self.other).status in (200, 429))
        self.assertEqual([self.get().status for _ in range(5)], [200, 200, 200, 429, 429])
        answer = self.get()
        self.assertIn(int(answer.headers["retry-after"]), range(1100, 1201))
        refused = self.get(GRPC)
        self.assertEqual((refused.status, refused.headers["grpc-status"]), (200, "8"))
        self.assertEqual(self.backend.logged(reason="rate_limited")["detail"], "demo/limit")
        self.assertEqual(self.get(workload=self.other).status, 200)
        self.mesh.write("limits.yaml", rate_limit({"key": "PRINCIPAL", "requests": 100}))
        await_true("the new limit", lambda: self.get().status == 200)

    def test_answers_grpc_denials_in_grpc(self):
        self.mesh.write("policy.yaml", allow("nobody", "backend", "  - {}", action="DENY"))
        self.start()
        await_true("an answer", lambda: self.get().status == 403)
        denied = self.get(GRPC)
        self.assertEqual((denied.status, denied.headers["grpc-status"], denied.body),
                         (200, "7", b""))
        self.assertEqual(denied.headers["grpc-message"], "RBAC: access denied")


if __name__ == "__main__":
    unittest.main()
