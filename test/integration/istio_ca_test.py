"""Istio's certificate service from both ends: sidecars live on an istiod's certificates, over
rotations, a replaced token and an outage; and Istio's agent gets one from Kith's control plane."""

import json
import pathlib
import subprocess
import unittest

import istio_ca
from mesh import Mesh, Process, allow, await_true, documents, free_port, request, service

HOST = "backend.demo.svc.cluster.local"
SCRIPT = pathlib.Path(istio_ca.__file__)


class Istiod:
    def __init__(self, mesh):
        self.mesh, self.port = mesh, free_port()
        self.directory = mesh.directory / "istiod"
        self.directory.mkdir()
        self.allow({})
        self.process = None

    def allow(self, tokens):
        """Token to SPIFFE ID."""
        (self.directory / "tokens").write_text(
            "".join(f"{token} {identity}\n" for token, identity in tokens.items()))

    def start(self):
        self.process = Process("istiod", [istio_ca.DEBIAN_PYTHON, SCRIPT, "serve", self.directory,
                                          self.port], self.mesh.directory)
        await_true("istiod serves", lambda: self.process.log().count("ready") > 0)
        return self

    def requests(self):
        log = self.directory / "requests.jsonl"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    def source(self, token_file):
        return ["  trustBundles: SOURCE_FIRST", "  source:", "    istioCa:",
                f"      address: 127.0.0.1:{self.port}",
                f"      serverName: {istio_ca.SERVER_NAME}",
                f"      trustBundleFile: {self.directory}/root.pem",
                f"      tokenFile: {token_file}"]


class IstioCaTest(unittest.TestCase):
    def setUp(self):
        self.mesh = Mesh(leaf_lifetime="16s")
        self.addCleanup(self.mesh.__exit__, None)

    def certs(self, workload):
        return self.mesh.kithctl("certs", "--sidecar", workload.socket)

    def add(self, name, **ports):
        token = self.mesh.directory / f"istio-token-{name}"
        token.write_text(f"first-{name}\n")
        return self.mesh.add(name, identity=self.istiod.source(token), **ports), token

    def test_lives_on_istiods_certificates_over_rotation_a_new_token_and_an_outage(self):
        self.istiod = Istiod(self.mesh)
        ids = {name: f"spiffe://cluster.local/ns/demo/sa/{name}" for name in ("backend", "frontend")}
        self.istiod.allow({f"first-{name}": ids[name] for name in ids})
        self.istiod.start()
        self.addCleanup(lambda: self.istiod.process.running and self.istiod.process.end())
        app, _ = self.mesh.nginx("location / { return 200 ok; }")
        self.mesh.write("mesh.yaml", documents(service("backend", app), allow(
            "frontend", "backend", "  - from:\n    - source:\n        principals: "
                                   "[cluster.local/ns/demo/sa/frontend]\n")))
        self.mesh.start()
        backend, _ = self.add("backend", inbound=[(app, "HTTP")])
        frontend, token = self.add("frontend", outbound=[(HOST, 80)])

        def passes():
            return request(frontend.outbound[HOST]).status == 200

        await_true("the way to the backend", passes)
        shown = self.certs(frontend)
        self.assertEqual(shown["source"], "istio-ca")
        self.assertEqual(shown["bundles"][0]["from"], "source")
        asked = next(each for each in self.istiod.requests() if "frontend" in each["token"])
        self.assertEqual(asked["token"], "Bearer first-frontend")
        self.assertEqual(asked["clusterid"], "Kubernetes")
        self.assertEqual(asked["names"], [ids["frontend"]])
        self.assertEqual(asked["subject"], "")
        self.assertGreater(asked["validity"], 0)

        first, first_of_backend = frontend.serial(), backend.serial()
        token.write_text("second-frontend\n")
        self.istiod.allow({"first-backend": ids["backend"], "second-frontend": ids["frontend"]})
        await_true("a rotation with the new token", lambda: frontend.serial() != first, 20)
        self.assertEqual(self.istiod.requests()[-1]["clusterid"], "Kubernetes")
        self.assertTrue(any(each["token"] == "Bearer second-frontend"
                            for each in self.istiod.requests()))
        self.assertTrue(passes())

        # Both, so that what serves on is not a certificate that was about to be renewed.
        await_true("the backend's rotation", lambda: backend.serial() != first_of_backend, 20)
        self.istiod.process.end()
        during = frontend.serial()
        await_true("the outage is told", lambda: (
            (self.certs(frontend)["lastFailure"] or {}).get("result") == "unavailable"), 20)
        self.assertTrue(passes(), "the certificate in use serves on")
        self.istiod.start()
        await_true("the outage is over", lambda: frontend.serial() != during, 20)
        await_true("the way to the backend", passes)

    def test_gives_istios_agent_a_certificate(self):
        self.mesh.start()
        workload = self.mesh.add("legacy", start=False)
        token = workload.token_path.read_text().strip()

        def ask(with_token):
            done = subprocess.run(
                [istio_ca.DEBIAN_PYTHON, SCRIPT, "request", f"127.0.0.1:{self.mesh.port}",
                 self.mesh.state / "root-cert.pem", with_token, workload.spiffe_id],
                capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)
            return json.loads(done.stdout)

        answer = ask(token)
        self.assertEqual(answer["code"], "OK")
        chain = answer["chain"]
        self.assertGreaterEqual(len(chain), 2, "the agent refuses less")
        for middle in chain[:-1]:
            self.assertEqual(middle.count("BEGIN CERTIFICATE"), 1)
        leaf, roots = self.mesh.directory / "agent.pem", self.mesh.directory / "agent-roots.pem"
        leaf.write_text(chain[0])
        roots.write_text(chain[-1])
        subprocess.run(["openssl", "verify", "-x509_strict", "-CAfile", roots, leaf], check=True,
                       capture_output=True)
        text = subprocess.run(["openssl", "x509", "-in", leaf, "-noout", "-text"], check=True,
                              capture_output=True, text=True).stdout
        self.assertIn(f"URI:{workload.spiffe_id}", text)
        self.assertIn("rsaEncryption", text)
        self.assertEqual(ask("forged")["code"], "UNAUTHENTICATED")


if __name__ == "__main__":
    unittest.main()
