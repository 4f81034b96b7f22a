"""Two meshes of two trust domains: their workloads meet with mutual TLS once each knows the other's
roots, by file or by bundle endpoint, and a stranger's certificate is refused with its reason."""

import json
import unittest
import urllib.request

from mesh import (Load, Mesh, allow, await_true, documents, free_port, metric,
                  peer_authentication, request, service)

HOST = "backend.partner.example"
PARTNER = "partner.example"
OURS = "ours.example"


def partner_service(port):
    """The other mesh's backend, as the own one knows it."""
    return f"""
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: partner, namespace: demo}}
spec:
  hosts: [{HOST}]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports:
  - {{number: 80, name: http, protocol: HTTP}}
  subjectAltNames: ["spiffe://{PARTNER}/ns/demo/sa/backend"]
  endpoints:
  - address: 127.0.0.1
    ports: {{http: {port}}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: partner, namespace: demo}}
spec:
  host: {HOST}
  trafficPolicy: {{tls: {{mode: ISTIO_MUTUAL}}}}
"""


class FederationTest(unittest.TestCase):
    def start(self, own="", partner="", client=f"{OURS}/ns/demo/sa/frontend", lifetime="1h"):
        """A frontend in one mesh, a backend in the other that lets in `client`; `lifetime` is that
        of the other one's leaves."""
        self.ours = Mesh(trust_domain=OURS, control_plane=own)
        self.addCleanup(self.ours.__exit__, None)
        self.theirs = Mesh(lifetime, trust_domain=PARTNER, control_plane=partner)
        self.addCleanup(self.theirs.__exit__, None)
        app, _ = self.theirs.nginx("location / { return 200 ok; }")
        self.theirs.write("mesh.yaml", documents(
            service("backend", app), peer_authentication("STRICT"),
            allow("partner", "backend", "  - from:\n    - source:\n"
                                        f"        principals: [{json.dumps(client)}]\n")))
        self.theirs.start()
        self.backend = self.theirs.add("backend", inbound=[(app, "HTTP")])
        self.ours.write("mesh.yaml", partner_service(self.backend.inbound[app]))
        self.ours.start()
        self.frontend = self.ours.add("frontend", outbound=[(HOST, 80)])

    def status(self):
        return request(self.frontend.outbound[HOST]).status

    def share(self, giver, file):
        """Leaves a mesh's roots where another one looks for them."""
        temporary = file.with_suffix(".new")
        temporary.write_bytes((giver.state / "root-cert.pem").read_bytes())
        temporary.rename(file)

    def test_refuses_a_foreign_root_until_it_is_federated_and_then_asks_policy(self):
        place = Mesh()  # Only for a directory before the meshes are there.
        self.addCleanup(place.__exit__, None)
        own, partner = place.directory / "partner.pem", place.directory / "own.pem"
        self.start(own=f"federation:\n- trustDomain: {PARTNER}\n  file: {own}\n",
                   partner=f"federation:\n- trustDomain: {OURS}\n  file: {partner}\n")
        self.assertEqual(self.status(), 503)
        line = self.frontend.logged(reason="foreign_trust_domain")
        self.assertIn(PARTNER, json.dumps(line))
        self.share(self.theirs, own)
        await_true("their server is known, our client is not yet", lambda: (
            self.status() == 503 and self.backend.metric(
                "kith_tls_handshakes_total", result="failed",
                    reason="foreign_trust_domain") > 0), 10)
        self.frontend.logged(reason="alert_received")
        self.share(self.ours, partner)
        await_true("both know each other", lambda: self.status() == 200, 10)
        self.theirs.write("mesh.yaml", (self.theirs.config / "mesh.yaml").read_text().replace(
            f"{OURS}/ns/demo/sa/frontend", f"{OURS}/ns/demo/sa/another"))
        await_true("the policy is about who it is", lambda: self.status() == 403, 10)

    def foreign_roots(self):
        """How many roots of the partner our frontend trusts."""
        return [bundle["roots"] for bundle in self.frontend.certs()["bundles"]
                if bundle["trustDomain"] == PARTNER]

    def test_learns_the_roots_from_bundle_endpoints_and_follows_their_rotation_under_load(self):
        port = free_port()
        place = Mesh()
        self.addCleanup(place.__exit__, None)
        first, own = place.directory / "first.pem", place.directory / "own.pem"
        endpoint = (f"federation:\n- trustDomain: {PARTNER}\n  file: {first}\n  endpoint:\n"
                    f"    url: https://127.0.0.1:{port}/bundle\n    profile: HTTPS_SPIFFE\n"
                    f"    spiffeId: spiffe://{PARTNER}/ns/istio-system/sa/kith-controlplane\n")
        self.start(own=endpoint,
                   partner=f"federation:\n- trustDomain: {OURS}\n  file: {own}\n"
                           f"bundleEndpoint:\n  address: 127.0.0.1:{port}\n  refreshHint: 1s\n", lifetime="4s")
        self.share(self.ours, own)
        self.share(self.theirs, first)
        await_true("the way there", lambda: self.status() == 200, 15)
        await_true("the endpoint is asked", lambda: metric(
            self.ours.metrics_port, "kith_federation_fetches_total", result="ok") > 0, 15)
        with urllib.request.urlopen(
                f"http://127.0.0.1:{self.theirs.metrics_port}/bundle", timeout=5) as answer:
            bundle = json.load(answer)
        self.assertEqual([key["use"] for key in bundle["keys"]], ["x509-svid"])
        self.assertEqual(bundle["spiffe_refresh_hint"], 1)
        before = self.theirs.kithctl("ca", "rotate", "status")["signer"]
        load = Load(self.frontend.outbound[HOST], 26, connections=8)
        self.theirs.kithctl("ca", "rotate", "start")
        after = await_true("the new root alone", lambda: (
            state := self.theirs.kithctl("ca", "rotate", "status"))["phase"] == "idle" and state, 40)
        self.assertNotEqual(after["signer"], before)
        requests, failed = load.finish()
        self.assertEqual(failed, 0)
        self.assertGreater(requests, 500)
        await_true("the old root is forgotten", lambda: self.foreign_roots() == [1], 15)
        # The leaves live for 4 s, and no connection outlives them: each is of the new root.
        self.assertEqual(self.status(), 200)


if __name__ == "__main__":
    unittest.main()
