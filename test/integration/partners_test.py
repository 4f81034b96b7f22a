"""Partners and legacy clients outside the mesh come in through an inbound port with TLS: with a
certificate of a CA of theirs, or, where a TrustPolicy wants none, without; policies decide."""

import http.client
import ssl
import unittest

from authority import Authority
from mesh import Mesh, allow, await_true, documents, peer_authentication, service

PARTNER = "spiffe://partner.example/billing"


def trust_policy(port):
    return f"""
apiVersion: mesh.kith.dev/v1alpha1
kind: TrustPolicy
metadata: {{name: partners, namespace: demo}}
spec:
  selector: {{matchLabels: {{app: backend}}}}
  portClientCertificates: {{{port}: WANT}}
"""


class PartnersTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.mesh = Mesh()
        cls.addClassCleanup(cls.mesh.__exit__, None)
        cls.strict, _ = cls.mesh.nginx("location / { return 200 ok; }")
        cls.open, _ = cls.mesh.nginx("location / { return 200 ok; }")
        cls.mesh.write("mesh.yaml", documents(
            service("backend", cls.strict), peer_authentication("STRICT"), trust_policy(cls.open),
            allow("partners", "backend", """\
  - from:
    - source: {principals: [partner.example/billing]}
  - to:
    - operation: {paths: [/public]}
""")))
        cls.mesh.start()
        partner = Authority(cls.mesh.directory / "partner-ca")
        impostor = Authority(cls.mesh.directory / "impostor-ca")
        cls.credentials = {
            "partner": partner.leaf("partner", san=f"URI:{PARTNER}"),
            "colleague": partner.leaf("colleague", san="URI:spiffe://partner.example/other"),
            "climber": partner.leaf("climber", san="URI:spiffe://cluster.local/ns/demo/sa/frontend"),
            "impostor": impostor.leaf("impostor", san=f"URI:{PARTNER}"),
        }
        cls.backend = cls.mesh.add(
            "backend", inbound=[(cls.strict, "HTTP"), (cls.open, "HTTP")], identity=[
                "  federatedBundles:", "  - trustDomain: partner.example",
                f"    file: {partner.certificate}"])
        await_true("its policies have come",
                   lambda: cls.status_of("partner", cls.strict) == 200)

    @classmethod
    def status_of(cls, credential, application, path="/"):
        """What a client gets at the port in front of that application."""
        context = ssl.create_default_context(cafile=str(cls.mesh.state / "root-cert.pem"))
        context.check_hostname = False  # The server's name is a SPIFFE ID.
        if credential:
            context.load_cert_chain(*cls.credentials[credential])
        connection = http.client.HTTPSConnection("127.0.0.1", cls.backend.inbound[application],
                                                 timeout=10, context=context)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except OSError:
            return None
        finally:
            connection.close()

    def test_lets_a_partner_in_by_the_identity_of_its_own_authority(self):
        for application in (self.strict, self.open):
            self.assertEqual(self.status_of("partner", application), 200)
            self.assertEqual(self.status_of("colleague", application), 403)
        self.assertEqual(self.backend.logged(source__principal=PARTNER)["source"]["principal"],
                         PARTNER)

    def test_refuses_an_identity_that_its_signer_has_no_say_over(self):
        for credential in ("impostor", "climber"):
            for application in (self.strict, self.open):
                before = self.backend.metric("kith_tls_handshakes_total", side="server",
                                             reason="unknown_root")
                self.assertIsNone(self.status_of(credential, application), credential)
                await_true("it is counted", lambda: self.backend.metric(
                    "kith_tls_handshakes_total", side="server", reason="unknown_root") > before)

    def test_takes_a_client_without_certificate_only_where_none_is_required(self):
        self.assertIsNone(self.status_of(None, self.strict, "/public"))
        self.assertEqual(self.status_of(None, self.open, "/public"), 200)
        self.assertEqual(self.status_of(None, self.open, "/"), 403)


if __name__ == "__main__":
    unittest.main()
