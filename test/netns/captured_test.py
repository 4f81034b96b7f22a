"""Applications that know nothing of a mesh speak mutual TLS because their traffic is captured.

What must hold, over IPv4 and IPv6: what a opens towards b, by service or by address, reaches b's
application with a's identity and never as plaintext on the wire; what comes without a sidecar is
refused by a STRICT b; the proxy's own connections and local ones are left alone.
"""

import json
import sys
import unittest

from hosts import DEBIAN_PYTHON, Hosts, Mesh, PROXY_UID, SIDECAR, await_true

VIPS = ("10.96.0.12", "fd96::12")
REGISTRY = """
apiVersion: v1
kind: Service
metadata: {name: b, namespace: demo}
spec:
  clusterIPs: [10.96.0.12, "fd96::12"]
  selector: {app: b}
  ports:
  - {name: http, port: 80, targetPort: 8080}
  - {name: tcp-echo, port: 9000}
  - {name: mysql, port: 3306}
  - {name: grpc-echo, port: 50051}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: istio-system}
spec: {mtls: {mode: STRICT}}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: only-a, namespace: demo}
spec:
  selector: {matchLabels: {app: b}}
  rules:
  - from:
    - source: {principals: ["cluster.local/ns/demo/sa/a", "cluster.local/ns/demo/sa/b"]}
"""

ASK = """
import socket, sys
host, port, send, size = sys.argv[1], int(sys.argv[2]), sys.argv[3].encode(), int(sys.argv[4])
with socket.create_connection((host, port), timeout=8) as connection:
    connection.sendall(send)
    got = b""
    while len(got) < size:
        chunk = connection.recv(65536)
        if not chunk: break
        got += chunk
    sys.stdout.write(got.decode())
"""


CALL = """
import sys
import grpc
with grpc.insecure_channel(sys.argv[1]) as channel:
    say = channel.unary_unary("/echo.Echo/Say")
    print(" ".join(say(text.encode(), timeout=8).decode() for text in sys.argv[2:]))
"""


def bracketed(ip):
    return f"[{ip}]" if ":" in ip else ip


class CapturedTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.hosts = Hosts().__enter__()
        try:
            cls.mesh = Mesh(cls.hosts)
            (cls.mesh.config / "mesh.yaml").write_text(REGISTRY)
            cls.mesh.start_control_plane()
            for host in ("a", "b", "c"):
                cls.mesh.application(host)
            cls.mesh.add("b")
            cls.mesh.add("a")
        except BaseException:
            cls.hosts.__exit__(*sys.exc_info())
            raise

    @classmethod
    def tearDownClass(cls):
        cls.hosts.__exit__(None, None, None)

    def get(self, host, url, user=0, seconds=10):
        done = self.hosts.run(host, "curl", "-sg", "--max-time", seconds, "-w", " %{http_code}", url,
                              user=user, check=False)
        body, _, status = done.stdout.rpartition(" ")
        return int(status or 0), body

    def ask(self, host, ip, port, send, size):
        return self.hosts.run(host, sys.executable, "-c", ASK, ip, port, send, size,
                              check=False).stdout

    def hits(self, host):
        log = (self.hosts.directory / f"app-{host}.log").read_text()
        return log.count("hit ")

    def addresses_of(self, host):
        return [self.hosts.ip(host), self.hosts.ip(host, v6=True)]

    def ways_to_b(self):
        """By service and by pod, over IPv4 and IPv6."""
        return [*VIPS, *self.addresses_of("b")]

    def test_proves_that_capture_works_before_an_application_relies_on_it(self):
        checked = self.hosts.run("a", SIDECAR, "capture", "check", "--timeout", "2")
        self.assertIn("outbound IPv4: works", checked.stdout)
        self.assertIn("outbound IPv6: works", checked.stdout)

    def test_carries_http_with_the_callers_identity(self):
        for ip in self.ways_to_b():
            port = 80 if ip in VIPS else 8080
            status, body = self.get("a", f"http://{bracketed(ip)}:{port}/hello")
            self.assertEqual((status, body.split()[1:3]), (200, ["b", "/hello"]))
        peers = {line.get("source", {}).get("principal") for line in self.mesh.logged("b")}
        self.assertIn("spiffe://cluster.local/ns/demo/sa/a", peers)

    def test_carries_grpc_to_an_application_that_speaks_nothing_else(self):
        for ip in self.ways_to_b():
            done = self.hosts.run("a", DEBIAN_PYTHON, "-c", CALL, f"{bracketed(ip)}:50051", "one", "two",
                                  check=False)
            self.assertEqual(done.stdout, "b heard one b heard two\n", f"{ip}: {done.stderr}")
        called = [line for line in self.mesh.logged("b") if line.get("path") == "/echo.Echo/Say"]
        self.assertEqual({line["source"]["principal"] for line in called},
                         {"spiffe://cluster.local/ns/demo/sa/a"})

    def test_carries_bytes_both_ways(self):
        text = "0123456789" * 1000
        for ip in self.ways_to_b():
            self.assertEqual(self.ask("a", ip, 9000, text, len(text)), text)

    def test_lets_a_server_speak_first(self):
        for ip in self.ways_to_b():
            self.assertIn("greeting of b", self.ask("a", ip, 3306, "", 20))

    def test_refuses_who_comes_without_a_sidecar(self):
        before = self.hits("b")
        for ip in self.addresses_of("b"):
            self.assertEqual(self.get("c", f"http://{bracketed(ip)}:8080/", seconds=4)[0], 0)
            self.assertEqual(self.ask("c", ip, 9000, "hello", 5), "")
        self.assertEqual(self.hits("b"), before)

    def test_takes_no_connection_at_the_capture_ports_themselves(self):
        for port in (15001, 15006):
            self.assertEqual(self.get("c", f"http://10.77.0.12:{port}/", seconds=4)[0], 0)

    def test_reaches_itself_through_its_own_service(self):
        for ip in VIPS:
            status, body = self.get("b", f"http://{bracketed(ip)}/self")
            self.assertEqual((status, body.split()[1:3]), (200, ["b", "/self"]))

    def test_leaves_local_connections_alone(self):
        for ip in ("127.0.0.1", "::1"):
            status, body = self.get("b", f"http://{bracketed(ip)}:8080/local")
            self.assertEqual(status, 200)
            self.assertEqual(body.split()[3].removeprefix("::ffff:"), ip)
        # A connection that is captured would be logged before this one is.
        self.assertEqual(self.get("a", f"http://{VIPS[0]}/not-local")[0], 200)

        def logged(path):
            return [line for line in self.mesh.logged("b") if f'"{path}"' in json.dumps(line)]

        await_true("the other is logged", lambda: logged("/not-local"))
        self.assertEqual(logged("/local"), [])

    def test_leaves_the_proxys_own_connections_alone(self):
        for ip in self.addresses_of("c"):
            def logged(destination=f"{bracketed(ip)}:80"):
                return [line for line in self.mesh.logged("a")
                        if f'"{destination}"' in json.dumps(line)]

            self.assertEqual(self.get("a", f"http://{bracketed(ip)}/", user=PROXY_UID)[0], 200)
            # A connection that is captured would be logged before this one is.
            self.assertEqual(self.get("a", f"http://{bracketed(ip)}/")[0], 200)
            await_true("the other is logged", logged)
            self.assertEqual(len(logged()), 1)

    def test_passes_other_destinations_through(self):
        for ip in self.addresses_of("c"):
            status, body = self.get("a", f"http://{bracketed(ip)}:8080/out")
            self.assertEqual((status, body.split()[1]), (200, "c"))

    def test_puts_no_plaintext_on_the_wire(self):
        pcap = self.hosts.directory / "wire.pcap"
        dump = self.hosts.start("tcpdump", "b", "tcpdump", "-U", "-i", "eth0", "-w", pcap, "-Z",
                                "root", "tcp", "and", "host", "10.77.0.11")
        await_true("tcpdump listens", lambda: "listening on" in dump.log())
        for _ in range(20):
            self.assertEqual(self.get("a", "http://10.96.0.12/wire")[0], 200)
        self.assertIn("greeting", self.ask("a", "10.96.0.12", 3306, "", 20))
        # The last packets come after the answer.
        await_true("packets are captured", lambda: pcap.stat().st_size > 4000)
        dump.end()
        wire = pcap.read_bytes()
        self.assertNotIn(b"PLAINTEXT-MARKER", wire)
        self.assertNotIn(b"GET /wire", wire)

    def test_heals_after_a_partition(self):
        self.hosts.link("b", "down")
        status, _ = self.get("a", "http://10.96.0.12/gone", seconds=7)
        self.assertNotEqual(status, 200)
        self.hosts.link("b", "up")
        await_true("b is reached again",
                   lambda: self.get("a", "http://10.96.0.12/back", seconds=5)[0] == 200, 30)

    def test_serves_on_while_the_control_plane_is_cut_off(self):
        self.assertEqual(self.get("a", "http://10.96.0.12/before")[0], 200)
        self.hosts.link("cp", "down")
        try:
            for _ in range(10):
                self.assertEqual(self.get("a", "http://10.96.0.12/alone")[0], 200)
        finally:
            self.hosts.link("cp", "up")

    def test_loses_no_request_when_packets_are_lost(self):
        self.hosts.lose_packets("b", 3)
        try:
            for number in range(30):
                self.assertEqual(self.get("a", f"http://10.96.0.12/{number}", seconds=20)[0], 200)
        finally:
            self.hosts.lose_packets("b", 0)


class RulesTest(unittest.TestCase):
    """Every way of writing the rules, without a mesh."""

    def test_applies_twice_and_removes_every_kind_of_rules(self):
        with Hosts() as hosts:
            for backend in ("nft", "iptables-nft", "iptables-legacy"):
                for mode in ("redirect", "tproxy"):
                    with self.subTest(f"{backend} {mode}"):
                        for _ in range(2):
                            hosts.run("a", SIDECAR, "capture", "apply", "--backend", backend,
                                      "--inbound-mode", mode)
                        checked = hosts.run("a", SIDECAR, "capture", "check", "--timeout", "2")
                        self.assertEqual(checked.stdout,
                                         "outbound IPv4: works\noutbound IPv6: works\n")
                        hosts.run("a", SIDECAR, "capture", "remove")
                        for tables in (["nft", "list", "ruleset"], ["iptables-legacy-save"],
                                       ["ip6tables-legacy-save"], ["ip", "rule"]):
                            left = hosts.run("a", *tables).stdout.lower()
                            self.assertNotIn("kith", left)
                            self.assertNotIn("0x539", left)
                        self.assertEqual(hosts.run("a", SIDECAR, "capture", "check", "--timeout",
                                                   "0.3", check=False).returncode, 1)

    def test_changes_nothing_without_the_right_to(self):
        with Hosts() as hosts:
            done = hosts.run("a", SIDECAR, "capture", "apply", user=PROXY_UID, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("NET_ADMIN", done.stderr)
            self.assertEqual(hosts.run("a", "nft", "list", "ruleset").stdout, "")

    def test_excludes_what_it_is_told_to(self):
        with Hosts() as hosts:
            hosts.run("a", SIDECAR, "capture", "apply", "--exclude-outbound-networks",
                      "192.0.2.0/24,2001:db8::/32")
            checked = hosts.run("a", SIDECAR, "capture", "check", "--timeout", "0.5", check=False)
            self.assertIn("outbound IPv4: fails", checked.stdout)
            self.assertIn("outbound IPv6: fails", checked.stdout)


if __name__ == "__main__":
    unittest.main()
