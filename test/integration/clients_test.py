"""The clients people use, against a STRICT inbound port: with a good certificate each gets its
answer; without one, with a foreign, an expired or a revoked one it is refused, and the sidecar
counts the documented reason."""

import http.client
import os
import pathlib
import shutil
import signal
import ssl
import unittest

from authority import Authority, run
from mesh import (Mesh, Process, allow, await_true, documents, free_port, peer_authentication, request,
                  service)

REASONS = {
    "none": "no_client_certificate",
    "foreign": "unknown_root",
    "expired": "certificate_expired",
    "revoked": "certificate_revoked",
}
GO_CLIENT = """
package main

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
)

func main() {
	config := &tls.Config{InsecureSkipVerify: true} // The server's name is a SPIFFE ID.
	if os.Args[2] != "" {
		pair, err := tls.LoadX509KeyPair(os.Args[2], os.Args[3])
		if err != nil {
			panic(err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	client := http.Client{Transport: &http.Transport{TLSClientConfig: config}}
	response, err := client.Get(os.Args[1])
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(response.StatusCode)
}
"""
NODE_CLIENT = """
const https = require('https'), fs = require('fs');
const [url, cert, key] = process.argv.slice(2);
const options = {rejectUnauthorized: false, agent: false};
if (cert) { options.cert = fs.readFileSync(cert); options.key = fs.readFileSync(key); }
https.get(url, options, (response) => { console.log(response.statusCode); response.resume(); })
    .on('error', (error) => { console.log(error.code); process.exit(1); });
"""


class ClientsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.mesh = Mesh()
        cls.addClassCleanup(cls.mesh.__exit__, None)
        cls.app, _ = cls.mesh.nginx("location / { return 200 ok; }")
        cls.mesh.write("mesh.yaml", documents(
            service("backend", cls.app), peer_authentication("STRICT"),
            allow("partner", "backend",
                  "  - from:\n    - source:\n"
                  "        principals: [cluster.local/ns/demo/sa/partner]")))
        cls.mesh.start()
        ours = Authority(cls.mesh.directory / "ours", cls.mesh.state / "root-cert.pem",
                         cls.mesh.state / "root-key.pem")
        foreign = Authority(cls.mesh.directory / "foreign")
        cls.credentials = {
            "good": ours.leaf("good"),
            "none": ("", ""),
            "foreign": foreign.leaf("foreign"),
            "expired": ours.leaf("expired", end="20250102000000Z"),
            "revoked": ours.leaf("revoked"),
        }
        ours.revoke(cls.credentials["revoked"][0])
        cls.backend = cls.mesh.add("backend", inbound=[(cls.app, "HTTP")],
                                   extra=f"revocation:\n  crlFiles: [{ours.crl()}]\n")
        await_true("its policies have come",
                   lambda: cls.backend.status()["config"]["mtls"] == "STRICT")
        cls.port = cls.backend.inbound[cls.app]
        cls.url = f"https://127.0.0.1:{cls.port}/"

    def failures(self, reason):
        return self.backend.metric("kith_tls_handshakes_total", side="server", result="failed",
                                   reason=reason)

    def check(self, get):
        """get(certificate, key): whether the client got its answer."""
        self.assertTrue(get(*self.credentials["good"]), "with a good certificate")
        for name, reason in REASONS.items():
            before = self.failures(reason)
            self.assertFalse(get(*self.credentials[name]), name)
            await_true(f"{reason} is counted", lambda: self.failures(reason) > before)
            self.assertEqual(self.backend.logged(reason=reason)["reason"], reason)

    def need(self, program):
        if not shutil.which(program):
            self.skipTest(f"{program} is not installed")

    def test_curl(self):
        def get(certificate, key):
            with_certificate = ("--cert", certificate, "--key", key) if certificate else ()
            done = run("curl", "-sk", "-o", "/dev/null", "-w", "%{http_code}", *with_certificate,
                       self.url)
            return done.returncode == 0 and done.stdout == "200"
        self.check(get)

    def test_openssl_s_client(self):
        def get(certificate, key):
            with_certificate = ("-cert", certificate, "-key", key) if certificate else ()
            done = run("openssl", "s_client", "-quiet", "-connect", f"127.0.0.1:{self.port}",
                       *with_certificate,
                       text="GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return "HTTP/1.1 200" in done.stdout
        self.check(get)

    def python_context(self, certificate, key):
        context = ssl.create_default_context(cafile=str(self.mesh.state / "root-cert.pem"))
        context.check_hostname = False  # The server's name is a SPIFFE ID.
        if certificate:
            context.load_cert_chain(certificate, key)
        return context

    def test_python_http_client(self):
        def get(certificate, key):
            connection = http.client.HTTPSConnection(
                "127.0.0.1", self.port, timeout=10, context=self.python_context(certificate, key))
            try:
                connection.request("GET", "/")
                return connection.getresponse().status == 200
            except OSError:
                return False
            finally:
                connection.close()
        self.check(get)

    def test_node_https(self):
        self.need("node")
        script = self.mesh.directory / "client.js"
        script.write_text(NODE_CLIENT)

        def get(certificate, key):
            done = run("node", script, self.url, certificate, key)
            return done.returncode == 0 and done.stdout.strip() == "200"
        self.check(get)

    def test_go_net_http(self):
        self.need("go")
        directory = self.mesh.directory / "go"
        directory.mkdir()
        (directory / "main.go").write_text(GO_CLIENT)
        environment = dict(os.environ, GO111MODULE="off", GOFLAGS="", CGO_ENABLED="0")
        built = run("go", "build", "-o", "client", "main.go", cwd=directory, env=environment)
        self.assertEqual(built.returncode, 0, built.stderr)

        def get(certificate, key):
            done = run(directory / "client", self.url, certificate, key)
            return done.returncode == 0 and done.stdout.strip() == "200"
        self.check(get)

    def test_nginx_as_a_client(self):
        locations = ""
        for name, (certificate, key) in self.credentials.items():
            with_certificate = (f"proxy_ssl_certificate {certificate}; "
                                f"proxy_ssl_certificate_key {key};" if certificate else "")
            locations += (f"location /{name} {{ proxy_pass {self.url}; proxy_http_version 1.1; "
                          f"proxy_ssl_protocols TLSv1.3; {with_certificate} }}\n")
        port, _ = self.mesh.nginx(locations)
        names = {certificate: name for name, (certificate, _) in self.credentials.items()}
        self.check(lambda certificate, _: request(port, f"/{names[certificate]}").status == 200)

    def test_apache_as_a_client(self):
        self.need("apache2")
        modules = pathlib.Path("/usr/lib/apache2/modules")
        directory = self.mesh.directory / "apache"
        directory.mkdir()
        hosts, ports = "", {}
        for name, (certificate, key) in self.credentials.items():
            ports[certificate] = free_port()
            with_certificate = ""
            if certificate:
                both = directory / f"{name}.pem"
                both.write_text(certificate.read_text() + key.read_text())
                with_certificate = f"SSLProxyMachineCertificateFile {both}"
            hosts += (f"Listen 127.0.0.1:{ports[certificate]}\n"
                      f"<VirtualHost 127.0.0.1:{ports[certificate]}>\nSSLProxyEngine on\n"
                      f"SSLProxyVerify none\nSSLProxyCheckPeerName off\n{with_certificate}\n"
                      f"ProxyPass / {self.url}\n</VirtualHost>\n")
        load = "\n".join(f"LoadModule {name}_module {modules}/mod_{name}.so" for name in (
            "mpm_event", "authz_core", "ssl", "socache_shmcb", "proxy", "proxy_http"))
        (directory / "httpd.conf").write_text(
            f"ServerName localhost\nServerRoot {directory}\nPidFile {directory}/pid\n"
            f"DefaultRuntimeDir {directory}\nErrorLog {directory}/error.log\n{load}\n{hosts}")
        apache = Process("apache", ["apache2", "-f", directory / "httpd.conf", "-D", "FOREGROUND"],
                         self.mesh.directory)
        self.addCleanup(apache.end, signal.SIGTERM)
        good = ports[self.credentials["good"][0]]
        await_true("apache answers", lambda: request(good).status)
        self.check(lambda certificate, _: request(ports[certificate]).status == 200)


if __name__ == "__main__":
    unittest.main()
