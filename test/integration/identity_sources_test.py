"""An identity comes from wherever the bootstrap says: another sidecar's SPIFFE Workload API, files
that somebody replaces, or what was kept before a restart; and requests pass all the while."""

import os
import signal
import subprocess
import unittest

from mesh import KITHCTL, Mesh, allow, await_true, documents, request, service

HOST = "backend.demo.svc.cluster.local"


class IdentitySourcesTest(unittest.TestCase):
    def start(self, lifetime="1h", control_plane="", **backend):
        self.mesh = Mesh(leaf_lifetime=lifetime)
        self.addCleanup(self.mesh.__exit__, None)
        with self.mesh.control_plane_config.open("a") as config:
            config.write(control_plane)
        self.app, _ = self.mesh.nginx("location / { return 200 ok; }")
        self.mesh.write("mesh.yaml", documents(service("backend", self.app),
                                               allow("everyone", "backend", "  - {}")))
        self.mesh.start()
        self.backend = self.mesh.add("backend", inbound=[(self.app, "HTTP")], **backend)

    def certs(self, workload):
        return self.mesh.kithctl("certs", "--sidecar", workload.socket)

    def last_failure(self, workload):
        failure = self.certs(workload)["lastFailure"]
        return failure and failure["result"]

    def passes(self, frontend):
        return request(frontend.outbound[HOST]).status == 200

    def test_serves_the_workload_api_that_another_sidecar_lives_on(self):
        self.start()
        socket = self.mesh.directory / "workload.sock"
        giver = self.mesh.add("frontend-1", service_account="frontend", outbound=[(HOST, 80)],
                              extra=f"workloadApi:\n  socket: {socket}\n")
        taker = self.mesh.add(
            "frontend-2", service_account="frontend", outbound=[(HOST, 80)],
            identity=["  source:", "    workloadApi:", f"      endpoint: unix://{socket}"])
        self.assertEqual(os.stat(socket).st_mode & 0o777, 0o600)
        await_true("the way of the one that takes", lambda: self.passes(taker))
        self.assertEqual(taker.serial(), giver.serial())
        self.assertEqual(self.certs(taker)["source"], "workload-api")
        before = giver.serial()
        self.mesh.kithctl("certs", "rotate", "--sidecar", giver.socket)
        await_true("the rotation reaches the other", lambda: taker.serial() == giver.serial(), 5)
        self.assertNotEqual(taker.serial(), before)
        self.assertTrue(self.passes(taker))
        giver.process.end()
        await_true("the source's end is told", lambda: (
            self.last_failure(taker) == "unavailable"), 10)
        self.assertTrue(self.passes(taker), "what it has stays in force")

    def openssl(self, *arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)

    def make_leaf(self, directory, name):
        """A key and a certificate by a root of its own, as some other authority makes them."""
        root = directory / "root"
        if not root.with_suffix(".pem").exists():
            self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                         "-nodes", "-keyout", f"{root}.key", "-out", f"{root}.pem", "-days", "2",
                         "-subj", "/CN=other", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        extensions = directory / "extensions"
        extensions.write_text("subjectAltName=critical,URI:spiffe://cluster.local/ns/demo/sa/backend"
                              "\nkeyUsage=critical,digitalSignature\nbasicConstraints=CA:FALSE\n"
                              "extendedKeyUsage=serverAuth,clientAuth\n")
        leaf = directory / name
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                     "-keyout", f"{leaf}.key", "-out", f"{leaf}.csr", "-subj", "/")
        self.openssl("x509", "-req", "-in", f"{leaf}.csr", "-CA", f"{root}.pem", "-CAkey",
                     f"{root}.key", "-CAcreateserial", "-days", "1", "-extfile", extensions,
                     "-out", f"{leaf}.crt")
        return leaf

    def test_follows_files_and_ignores_a_pair_until_it_is_whole(self):
        mesh = Mesh(leaf_lifetime="1h")  # Only for a directory before the mesh is there.
        self.addCleanup(mesh.__exit__, None)
        files = mesh.directory
        leaf = self.make_leaf(files, "first")
        for kind in ("key", "crt"):
            os.rename(f"{leaf}.{kind}", files / f"tls.{kind}")
        self.start(identity=["  trustBundles: SOURCE_FIRST", "  source:", "    files:",
                             f"      certificateFile: {files}/tls.crt",
                             f"      keyFile: {files}/tls.key",
                             f"      bundleFile: {files}/root.pem"])
        self.assertEqual(self.certs(self.backend)["source"], "files")
        first = self.backend.serial()
        second = self.make_leaf(files, "second")
        os.rename(f"{second}.key", files / "tls.key")
        await_true("half of a pair is told", lambda: (
            self.last_failure(self.backend) == "incomplete"), 10)
        self.assertEqual(self.backend.serial(), first)
        os.rename(f"{second}.crt", files / "tls.crt")
        await_true("the whole pair is used", lambda: self.backend.serial() != first, 10)
        shown = self.certs(self.backend)
        self.assertEqual(shown["bundles"][0]["from"], "source")
        self.assertEqual(shown["chain"][0]["issuerKeyId"], shown["roots"][0]["keyId"])

    def test_hands_on_the_roots_of_federated_trust_domains_and_their_changes(self):
        other = Mesh(leaf_lifetime="1h")  # Only for a directory before the mesh is there.
        self.addCleanup(other.__exit__, None)
        self.make_leaf(other.directory, "leaf")
        roots = other.directory / "partner.pem"
        roots.write_text("not there yet")
        self.start(control_plane="federation:\n- trustDomain: partner.example\n"
                                 f"  file: {roots}\n")

        def partners():
            return [each for each in self.certs(self.backend)["bundles"]
                    if each["trustDomain"] == "partner.example"]

        self.assertEqual(partners(), [])
        os.rename(other.directory / "root.pem", roots)
        await_true("the partner's roots arrive", partners, 10)
        self.assertEqual(partners()[0]["from"], "control-plane")
        self.assertEqual(partners()[0]["roots"], 1)

    def test_has_an_identity_at_once_after_a_restart_during_an_outage(self):
        self.start()
        kept = self.mesh.directory / "kept"
        frontend = self.mesh.add("frontend", outbound=[(HOST, 80)],
                                 identity=["  cache:", f"    directory: {kept}"])
        serial = frontend.serial()
        self.assertEqual(os.stat(kept / "identity.pem").st_mode & 0o777, 0o600)
        self.mesh.control_plane.end(signal.SIGKILL)
        frontend.process.end(signal.SIGKILL)
        frontend.start()
        await_true("the kept identity is in use", lambda: (
            self.certs(frontend)["chain"][0]["serial"] == serial))
        self.assertEqual(self.certs(frontend)["lastAttempt"]["result"], "unavailable")
        self.mesh.start()
        frontend.await_ready()
        await_true("the way to the backend", lambda: self.passes(frontend))

    def test_shows_a_table_that_people_can_read(self):
        self.start()
        shown = subprocess.run([KITHCTL, "certs", "--sidecar", self.backend.socket],
                               capture_output=True, text=True, check=True).stdout
        for word in ("identity", "kith-ca", "next renewal", "leaf", "root", "ISSUED BY",
                     "TRUST DOMAIN", self.backend.serial()):
            self.assertIn(word, shown)
        self.assertEqual(subprocess.run([KITHCTL, "certs"], env={}, capture_output=True)
                         .returncode, 64)


if __name__ == "__main__":
    unittest.main()
