"""However a client spells its bytes, the sidecar and the server behind it agree on how many
requests there were: the sidecar's log of what it let through against what four different servers
say they saw. A client in plaintext, whose bytes the sidecar reads, and a client through another
sidecar."""

import collections
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import socket
import tempfile
import time
import unittest

from mesh import (Mesh, allow, await_true, documents, free_port, peer_authentication, raw,
                  request, service)
from smuggling_payloads import corpus

PAYLOADS = int(os.environ.get("KITH_PAYLOADS", "2200"))  # 6000 takes three times as long.
ID = re.compile(r"/p(\d+)/")

NODE = """
const fs = require('fs');
const log = fs.openSync(process.argv[3], 'a');
require('http').createServer({keepAliveTimeout: 60000}, (request, response) => {
  fs.writeSync(log, `${request.method} ${request.url}\n`);
  request.on('error', () => {});
  request.resume();
  request.on('end', () => response.end('ok'));
}).on('checkExpectation', (request, response) => {
  fs.writeSync(log, `${request.method} ${request.url}\n`);
  response.writeHead(417).end();
}).on('clientError', (error, socket) => {  // A head it refuses was a request all the same.
  const line = (error.rawPacket || '').toString('latin1').split(/[\\r\\n]/, 1)[0];
  fs.writeSync(log, `refused: ${line}\n`);
  socket.end('HTTP/1.1 400 Bad Request\\r\\nConnection: close\\r\\n\\r\\n');
}).listen(Number(process.argv[2]), '127.0.0.1');
"""

APACHE = """
ServerRoot "{directory}"
ServerName localhost
Listen 127.0.0.1:{port}
PidFile {directory}/pid
User www-data
Group www-data
ErrorLog {directory}/error.log
DefaultRuntimeDir {directory}
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule alias_module /usr/lib/apache2/modules/mod_alias.so
KeepAliveTimeout 60
MaxKeepAliveRequests 0
LogFormat "%m %U" seen
CustomLog {directory}/seen.log seen
RedirectMatch 404 ^/
"""

HAPROXY = """
global
  log stdout format raw local0
defaults
  mode http
  timeout client 60s
  timeout connect 5s
  timeout server 60s
frontend f
  bind 127.0.0.1:{port}
  log global
  log-format "%HM %HPO"
  http-request return status 200 content-type text/plain string ok
"""


class Server:
    """One of the four, with what it has seen."""

    def __init__(self, mesh, name):
        self.name = name
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix=f"{name}-", dir=mesh.directory))
        self.log = self.directory / "seen.log"
        getattr(self, name)(mesh)
        await_true(f"{name} listens", lambda: request(self.port, "/ready").status)

    def nginx(self, mesh):
        self.port, _ = mesh.nginx(
            f'access_log {self.log} seen; location / {{ return 200 "ok"; }}',
            keepalive="log_format seen '$request_method $uri';")

    def apache(self, mesh):
        self.port = free_port()
        config = self.directory / "apache.conf"
        config.write_text(APACHE.format(directory=self.directory, port=self.port))
        mesh.run(self.name, ["apache2", "-DFOREGROUND", "-f", config])

    def node(self, mesh):
        self.port = free_port()
        program = self.directory / "server.js"
        program.write_text(NODE)
        mesh.run(self.name, ["node", program, self.port, self.log])

    def haproxy(self, mesh):
        self.port = free_port()
        config = self.directory / "haproxy.cfg"
        config.write_text(HAPROXY.format(port=self.port))
        self.log = mesh.run(self.name, ["haproxy", "-db", "-f", config]).log_path

    def seen(self):
        """Requests by payload."""
        lines = self.log.read_text(errors="replace").splitlines()
        return collections.Counter(int(match.group(1)) for match in map(ID.search, lines) if match)


SERVERS = ("nginx", "apache", "node", "haproxy")


@unittest.skipUnless(all(shutil.which(each) for each in ("nginx", "apache2", "node", "haproxy")),
                     "needs nginx, apache2, nodejs and haproxy")
class SmugglingTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.mesh = Mesh()
        cls.addClassCleanup(cls.mesh.__exit__, None)
        cls.servers = {name: Server(cls.mesh, name) for name in SERVERS}
        cls.mesh.write("mesh.yaml", documents(
            peer_authentication("PERMISSIVE"),
            *(service(name, server.port) + "---" + allow(name, name, "  - {}")
              for name, server in cls.servers.items())))
        cls.mesh.start()
        cls.sidecars = {name: cls.mesh.add(name, inbound=[(server.port, "HTTP")])
                        for name, server in cls.servers.items()}
        cls.client = cls.mesh.add("client", outbound=[
            (f"{name}.demo.svc.cluster.local", 80) for name in SERVERS])
        for name in SERVERS:
            await_true(f"the way to {name}", lambda name=name: request(
                cls.port_of(name), "/ready").status)
        cls.payloads = corpus(PAYLOADS)

    @classmethod
    def port_of(cls, name):
        return cls.client.outbound[f"{name}.demo.svc.cluster.local"]

    @staticmethod
    def attack(port, payload):
        try:
            raw(port, payload, timeout=20)
        except (ConnectionError, socket.timeout):
            pass

    def forwarded(self, name):
        """(requests let through, those of them that were broken off), by payload."""
        through, broken = collections.Counter(), collections.Counter()
        for line in self.sidecars[name].access_log.read_text().splitlines():
            entry = json.loads(line)
            match = ID.search(entry.get("path", ""))
            if not match or entry.get("decision") != "allowed":
                continue
            through[int(match.group(1))] += 1
            if "reason" in entry:
                broken[int(match.group(1))] += 1
        return through, broken

    def check(self, name):
        """What the two do not agree on."""

        def differences():
            through, broken = self.forwarded(name)
            seen = self.servers[name].seen()
            return {number: (through[number], seen[number], self.payloads[number])
                    for number in set(through) | set(seen)
                    # A request that the client broke off may not have been looked at any more.
                    if not through[number] - broken[number] <= seen[number] <= through[number]}

        deadline = time.monotonic() + 5  # For the last lines.
        while (found := differences()) and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertEqual(found, {}, f"(let through, seen by {name}, payload)")
        self.assertGreater(sum(self.servers[name].seen().values()), len(self.payloads) // 10)

    def send_all(self, ports, numbers):
        work = [(port, self.payloads[number]) for number in numbers for port in ports]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            for _ in pool.map(lambda each: self.attack(*each), work):
                pass

    def test_agrees_with_four_servers_on_how_many_requests_there_were(self):
        count = len(self.payloads)
        self.assertGreaterEqual(count, 2000)
        self.send_all([self.sidecars[name].inbound[self.servers[name].port] for name in SERVERS],
                      range(count))
        # The same bytes through the client's sidecar and the link.
        self.send_all([self.port_of(name) for name in SERVERS], range(0, count, 5))
        for name in SERVERS:
            with self.subTest(server=name):
                self.check(name)


if __name__ == "__main__":
    unittest.main()
