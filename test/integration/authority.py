"""What is outside the mesh: clients' and servers' certificates by openssl, good ones and bad ones,
and the documents that speak of such servers."""

import subprocess

LEAF = """
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=clientAuth,serverAuth
authorityKeyIdentifier=keyid
"""


def run(*command, text=None, cwd=None, env=None):
    return subprocess.run([str(part) for part in command], input=text, capture_output=True,
                          text=True, timeout=300, cwd=cwd, env=env)


def outside(host, port, tls, protocol="HTTP"):
    """A ServiceEntry with one server on loopback, and what its DestinationRule says of TLS."""
    name = host.split(".")[0]
    return f"""
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}, namespace: demo}}
spec:
  hosts: [{host}]
  resolution: STATIC
  ports: [{{number: 80, name: p, protocol: {protocol}, targetPort: {port}}}]
  endpoints: [{{address: 127.0.0.1}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: {name}, namespace: demo}}
spec: {{host: {host}, trafficPolicy: {{tls: {tls}}}}}
"""


class Authority:
    """A CA whose key the test has, by openssl."""

    def __init__(self, directory, certificate=None, key=None):
        self.directory = directory
        directory.mkdir()
        self.certificate, self.key = certificate, key
        if certificate is None:
            self.certificate, self.key = directory / "ca.pem", directory / "ca.key"
            self._must("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                       "-nodes", "-days", "2", "-subj", "/CN=foreign", "-keyout", self.key,
                       "-out", self.certificate)
        (directory / "index").write_text("")
        (directory / "crlnumber").write_text("01")
        (directory / "ca.cnf").write_text(f"""
[ca]
default_ca = it
[it]
database = {directory}/index
new_certs_dir = {directory}
crlnumber = {directory}/crlnumber
rand_serial = yes
default_md = sha256
default_crl_days = 1
unique_subject = no
policy = any
[any]
commonName = optional
""")

    def _must(self, *arguments):
        done = run("openssl", *arguments)
        assert done.returncode == 0, done.stderr

    def _ca(self, *arguments):
        self._must("ca", "-batch", "-config", self.directory / "ca.cnf", "-cert", self.certificate,
                   "-keyfile", self.key, *arguments)

    def leaf(self, name, start="20250101000000Z", end="20490101000000Z",
             san="URI:spiffe://cluster.local/ns/demo/sa/partner", ocsp=None):
        """(certificate, key). ocsp: the URL of the responder that it names."""
        extensions = self.directory / f"{name}.cnf"
        responder = f"authorityInfoAccess=OCSP;URI:{ocsp}\n" if ocsp else ""
        extensions.write_text(f"{LEAF}subjectAltName=critical,{san}\n{responder}")
        certificate, key = self.directory / f"{name}.pem", self.directory / f"{name}.key"
        request_path = self.directory / f"{name}.csr"
        self._must("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                   "-subj", f"/CN={name}", "-keyout", key, "-out", request_path)
        self._ca("-in", request_path, "-out", certificate, "-startdate", start, "-enddate", end,
                 "-extfile", extensions, "-notext")
        return certificate, key

    def revoke(self, certificate):
        self._ca("-revoke", certificate)

    def crl(self):
        path = self.directory / "crl.pem"
        self._ca("-gencrl", "-out", path)
        return path
