"""Where a host's inbound traffic is captured with TPROXY, the mesh is the same: what comes from another
sidecar reaches the application and is known by its identity and its address, what comes without one
is refused. The destination address is the socket's own; nothing is translated.
"""

import sys
import unittest

from captured_test import ASK, REGISTRY, VIPS, bracketed
from hosts import Hosts, Mesh, await_true


class TproxyTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.hosts = cls.enterClassContext(Hosts())
        cls.mesh = Mesh(cls.hosts)
        (cls.mesh.config / "mesh.yaml").write_text(REGISTRY)
        cls.mesh.start_control_plane()
        for host in ("a", "b"):
            cls.mesh.application(host)
        cls.mesh.add("b", transparent=True)
        cls.mesh.add("a")

    def get(self, host, ip, port, path, seconds=10):
        done = self.hosts.run(host, "curl", "-sg", "--max-time", seconds, "-w", " %{http_code}",
                              f"http://{bracketed(ip)}:{port}{path}", check=False)
        body, _, status = done.stdout.rpartition(" ")
        return int(status or 0), body

    def ways_to_b(self):
        return [(VIPS[0], 80), (VIPS[1], 80), (self.hosts.ip("b"), 8080),
                (self.hosts.ip("b", v6=True), 8080)]

    def test_no_rule_translates_what_arrives(self):
        rules = self.hosts.run("b", "nft", "list", "ruleset").stdout
        self.assertIn("tproxy to :15006", rules)
        self.assertNotIn("redirect to :15006", rules.split("hook output")[0])

    def test_carries_http_from_a_client_whose_address_and_identity_are_known(self):
        for number, (ip, port) in enumerate(self.ways_to_b()):
            status, body = self.get("a", ip, port, f"/{number}")
            self.assertEqual((status, body.split()[1:3]), (200, ["b", f"/{number}"]))
            line = await_true("it is logged", lambda path=f"/{number}": next(
                (each for each in self.mesh.logged("b")
                 if each.get("path") == path), None))
            source = line["source"]["address"].rpartition(":")[0].strip("[]")
            self.assertIn(source, [self.hosts.ip("a"), self.hosts.ip("a", v6=True)])
            bind = [f"{bracketed(self.hosts.ip('b', v6))}:8080" for v6 in (False, True)]
            self.assertIn(line["destination"]["bind"], bind)
            self.assertEqual(line["source"]["principal"], "spiffe://cluster.local/ns/demo/sa/a")

    def test_carries_bytes_both_ways(self):
        text = "0123456789" * 1000
        for ip, _ in self.ways_to_b():
            done = self.hosts.run("a", sys.executable, "-c", ASK, ip, 9000, text, len(text),
                                  check=False)
            self.assertEqual(done.stdout, text)

    def test_refuses_who_comes_without_a_sidecar(self):
        for v6 in (False, True):
            self.assertEqual(self.get("c", self.hosts.ip("b", v6), 8080, "/", seconds=4)[0], 0)

    def test_what_the_host_opens_itself_is_not_disturbed(self):
        self.assertEqual(self.get("b", "127.0.0.1", 8080, "/local")[0], 200)
        self.assertEqual(self.get("b", VIPS[0], 80, "/self")[0], 200)


if __name__ == "__main__":
    unittest.main()
