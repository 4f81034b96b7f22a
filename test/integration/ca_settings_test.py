"""What the authority's settings change in certificates, and a signing certificate that its owner
replaces under a running control plane."""

import base64
import os
import re
import subprocess
import unittest
import urllib.parse
import urllib.request

from mesh import Mesh, await_true, free_port, service


def openssl(*arguments):
    return subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True,
                          timeout=30).stdout


class CaSettingsTest(unittest.TestCase):
    def start(self, control_plane):
        self.mesh = Mesh(control_plane=control_plane)
        self.addCleanup(self.mesh.__exit__, None)

    def text(self, *arguments):
        return openssl("x509", "-noout", "-text", *arguments).decode()

    def presented(self, workload):
        """The chain that a sidecar's port presents, PEM."""
        port = workload.inbound[8080]
        done = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-showcerts",
             "-alpn", "istio"],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=30)
        return re.findall(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n",
                          done.stdout.decode(), re.DOTALL)

    def test_says_in_leaves_where_their_status_is_known(self):
        port = free_port()
        self.start(f"monitoringAddress: 127.0.0.1:{port}\nca:\n  keyType: P-384\n"
                   f"  ocspUrls: [\"http://127.0.0.1:{port}/ocsp\"]\n"
                   f"  crlUrls: [\"http://127.0.0.1:{port}/crl/{{issuer}}\"]\n")
        text = self.mesh.control_plane_config.read_text().splitlines()
        self.mesh.control_plane_config.write_text("\n".join(
            line for line in text if line != f"monitoringAddress: 127.0.0.1:{self.mesh.metrics_port}")
            + "\n")
        self.mesh.metrics_port = port
        self.mesh.write("mesh.yaml", service("vm", 8080))
        self.mesh.start()
        vm = self.mesh.add("vm", inbound=[(8080, "TCP")])
        root = self.mesh.state / "root-cert.pem"
        self.assertIn("secp384r1", self.text("-in", root))
        leaf = self.mesh.directory / "leaf.pem"
        leaf.write_text(self.presented(vm)[0])
        text = self.text("-in", leaf)
        self.assertIn("ecdsa-with-SHA384", text)
        self.assertIn(f"OCSP - URI:http://127.0.0.1:{port}/ocsp", text)
        where = re.search(r"URI:(http://\S+/crl/[0-9a-f]+)", text).group(1)

        crl = self.mesh.directory / "list.crl"
        with urllib.request.urlopen(where, timeout=5) as answer:
            crl.write_bytes(answer.read())
        openssl("crl", "-in", crl, "-inform", "DER", "-CAfile", root, "-noout")

        asked, answered = self.mesh.directory / "asked.der", self.mesh.directory / "answered.der"
        openssl("ocsp", "-issuer", root, "-cert", leaf, "-no_nonce", "-reqout", asked)
        request = base64.b64encode(asked.read_bytes()).decode()
        for spelled in (urllib.parse.quote(request, safe=""), request):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/ocsp/{spelled}", timeout=5) as got:
                self.assertEqual(got.headers["Content-Type"], "application/ocsp-response")
                self.assertIn("max-age", got.headers["Cache-Control"])
                answered.write_bytes(got.read())
            said = openssl("ocsp", "-issuer", root, "-cert", leaf, "-respin", answered, "-CAfile",
                           root)
            self.assertIn(b"good", said)

    def intermediate(self, name):
        """A pair that the root of this directory signs."""
        here = self.files
        extensions = here / "ca.cnf"
        extensions.write_text("basicConstraints=critical,CA:TRUE,pathlen:0\n"
                              "keyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n"
                              "authorityKeyIdentifier=keyid\n")
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-subj", f"/CN={name}", "-keyout", here / f"{name}.key", "-out",
                here / f"{name}.csr")
        openssl("x509", "-req", "-in", here / f"{name}.csr", "-CA", here / "root.pem", "-CAkey",
                here / "root.key", "-days", "10", "-extfile", extensions, "-out",
                here / f"{name}.pem")

    def test_takes_a_replaced_intermediate_once_its_pair_is_whole(self):
        place = Mesh()  # Only for a directory before the mesh is there.
        self.addCleanup(place.__exit__, None)
        self.files = place.directory
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", self.files / "root.key", "-out", self.files / "root.pem", "-days", "20",
                "-subj", "/CN=brought", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        for name in ("first", "second"):
            self.intermediate(name)
        certificate, key = self.files / "ca.pem", self.files / "ca.key"
        os.rename(self.files / "first.pem", certificate)
        os.rename(self.files / "first.key", key)
        self.start(f"ca:\n  certificateFile: {certificate}\n  keyFile: {key}\n"
                   f"  rootFile: {self.files}/root.pem\n")
        self.mesh.write("mesh.yaml", service("vm", 8080))
        self.mesh.start()
        (self.mesh.state / "root-cert.pem").write_bytes((self.files / "root.pem").read_bytes())
        vm = self.mesh.add("vm", inbound=[(8080, "TCP")])

        def issuer():
            self.mesh.kithctl("certs", "rotate", "--sidecar", vm.socket)
            leaf = self.mesh.directory / "leaf.pem"
            leaf.write_text(self.presented(vm)[0])
            return openssl("x509", "-in", leaf, "-noout", "-issuer").decode().strip()

        self.assertTrue(issuer().endswith("first"))
        os.rename(self.files / "second.pem", certificate)
        await_true("half of a pair is told", lambda: (
            "cannot be used now" in self.mesh.control_plane.log()), 10)
        self.assertTrue(issuer().endswith("first"), "the pair in use stays")
        os.rename(self.files / "second.key", key)
        await_true("the whole pair signs", lambda: issuer().endswith("second"), 15)


if __name__ == "__main__":
    unittest.main()
