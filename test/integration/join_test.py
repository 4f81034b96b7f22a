"""Machines without Kubernetes join with a token that can be used once, and stay without another;
and service accounts of a Kubernetes are believed by their issuer's keys."""

import json
import time
import unittest

from mesh import Mesh, await_true, metric, service
from tokens_test import Issuer


class JoinTest(unittest.TestCase):
    def mesh(self, control_plane="", lifetime="1h"):
        mesh = Mesh(leaf_lifetime=lifetime, control_plane=control_plane)
        self.addCleanup(mesh.__exit__, None)
        mesh.write("mesh.yaml", service("vm", 8080))
        return mesh.start()

    def join_token(self, mesh, workload, ttl="10m"):
        mesh.kithctl("token", "join", "--namespace", workload.namespace, "--service-account",
                     workload.service_account, "--ttl", ttl, "--file", workload.token_path)
        return workload.token_path.read_text()

    def test_joins_once_and_is_renewed_without_another_token(self):
        mesh = self.mesh("tokens:\n  joinedTtl: 8s\n", lifetime="4s")
        vm = mesh.add("vm", inbound=[(8080, "TCP")], start=False)
        join = self.join_token(mesh, vm)
        self.assertTrue(join.startswith("kith-join."))
        vm.start().await_ready()
        first = vm.token_path.read_text()
        self.assertEqual(first.count("."), 2, "a bearer token took the join token's place")
        self.assertEqual(vm.token_path.stat().st_mode & 0o777, 0o600)
        time.sleep(9)  # More than the lifetime of the token that came with the join.
        await_true("its token was replaced", lambda: vm.token_path.read_text() != first)
        serial = vm.serial()
        await_true("and is good", lambda: vm.serial() != serial, 10)

        # Whoever has copied the join token comes too late, and everybody can see it.
        thief = mesh.add("thief", service_account="vm", inbound=[(8080, "TCP")],
                         start=False)
        thief.token_path.write_text(join)
        thief.start()

        def failure():
            return json.dumps(mesh.kithctl("certs", "--sidecar", thief.socket)["lastFailure"])

        await_true("the second use is refused", lambda: "was used at" in failure())
        self.assertGreater(metric(mesh.metrics_port, "kith_token_checks_total", reason="used"), 0)
        self.assertEqual(thief.token_path.read_text(), join)

    def test_takes_kubernetes_tokens_by_the_issuers_keys_and_follows_their_rotation(self):
        place = Mesh()  # Only for a directory before the mesh is there.
        self.addCleanup(place.__exit__, None)
        issuer = Issuer(place.directory, "https://kubernetes.default.svc")
        keys = place.directory / "jwks.json"
        keys.write_text(issuer.jwks)
        mesh = self.mesh(f"tokens:\n  issuers:\n  - issuer: {issuer.name}\n    jwksFile: {keys}\n"
                         "    audiences: [istio-ca]\n")
        vm = mesh.add("vm", inbound=[(8080, "TCP")], start=False)

        def claims(**more):
            return {"iss": "https://kubernetes.default.svc",
                    "aud": ["istio-ca"], "sub": "system:serviceaccount:demo:vm",
                    "kubernetes.io": {"namespace": "demo", "serviceaccount": {"name": "vm"},
                                      "pod": {"name": "vm"}}, **more}

        vm.token_path.write_text(issuer.token(**claims()))
        vm.start().await_ready()
        audit = (mesh.state / "audit.jsonl").read_text()
        self.assertIn("demo/vm pod vm", audit)

        # Another key, under a name that nobody here has heard of: fetched once it is asked for.
        second = Issuer(place.directory, "second-key")
        keys.write_text(second.jwks)
        vm.token_path.write_text(second.token(**claims()))
        serial = vm.serial()

        def rotated():
            mesh.kithctl("certs", "rotate", "--sidecar", vm.socket, "--timeout", "1")
            return vm.serial() != serial

        await_true("the new key is known", rotated, 20)

        vm.token_path.write_text(second.token(**claims(aud=["somebody-else"])))
        with self.assertRaisesRegex(AssertionError, "audience"):
            mesh.kithctl("certs", "rotate", "--sidecar", vm.socket, "--timeout", "2")


if __name__ == "__main__":
    unittest.main()
