"""Two control planes sign by one root from a shared Secret. It is replaced by three edits of the Secret
while requests pass, none of which fails; neither of them may replace it by itself.
"""

import subprocess
import time
import unittest

import kubernetes_test as cluster
import mesh
from control_planes import ROOTS, ControlPlanesTest, Requests


class SharedRootTest(ControlPlanesTest):
    leaf_lifetime = "6s"

    def restart_one_after_the_other(self):
        """As a Deployment's rollout does."""
        for plane in self.planes:
            plane.process.end()
            plane.start()

    def await_roots(self, expected):
        """Until the cluster's ConfigMap, which pods read, and both sidecars have these roots."""
        path = ROOTS.format("demo")
        mesh.await_true("the ConfigMap", lambda: self.api.config_maps.get(path, {}).get(
            "data", {}).get("root-cert.pem") == expected, 30)
        (self.net.state / "root-cert.pem").write_text(expected)
        count = expected.count("BEGIN CERTIFICATE")
        for workload in (self.backend, self.frontend):
            mesh.await_true(f"{workload.name} has {count} roots", lambda each=workload: sum(
                bundle["roots"] for bundle in each.certs()["bundles"]) == count)

    def signed_by(self, workload):
        return workload.certs()["chain"][0]["issuerKeyId"]

    def test_a_shared_root_is_replaced_by_three_edits(self):
        for plane in self.planes:
            done = subprocess.run([mesh.KITHCTL, "--control-plane", plane.state / "admin.sock", "ca",
                                   "rotate", "start"], capture_output=True, text=True, timeout=30)
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertIn("replace it in the Secret that they share", done.stderr)
        net = self.net
        new, new_key = net.directory / "new.pem", net.directory / "new-key.pem"
        cluster.make_root(new, new_key)
        old_signer = self.signed_by(self.frontend)
        load = Requests(self.through)
        self.addCleanup(load.finish)

        # 1. ca.crt: both, before anything is signed by the new one.
        both = net.ca.read_text() + new.read_text()
        net.ca_roots.write_text(both)
        self.restart_one_after_the_other()
        self.await_roots(both)

        # 2. tls.crt and tls.key: the new one, which they take up by themselves.
        net.ca_key.write_text(new_key.read_text())
        net.ca.write_text(new.read_text())
        for workload in (self.backend, self.frontend):
            mesh.await_true(f"{workload.name} has a certificate of the new root",
                            lambda each=workload: self.signed_by(each) != old_signer, 30)

        # 3. ca.crt: the new one alone, when no certificate of the old one lives.
        time.sleep(6)
        net.ca_roots.write_text(new.read_text())
        self.restart_one_after_the_other()
        self.await_roots(new.read_text())

        requests, failed = load.finish()
        self.assertEqual(failed, [])
        self.assertGreater(requests, 300)


if __name__ == "__main__":
    unittest.main()
