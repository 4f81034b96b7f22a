"""Attempts to read what a DENY policy keeps, by requests that a server may read as another path, host
or header than the policy does: mutations of the attacks that spec'd proxies have fallen for."""

import http.client
import pathlib
import random
import socket
import tempfile

import http2
from mesh import Mesh, Process, allow, await_true, documents, free_port, service

SECRET = b"the-secret-that-nobody-may-read"
NODE = """
const http = require('http'), path = require('path');
http.createServer((request, response) => {
  let url = request.url.replace(/^https?:\\/\\/[^\\/]*/i, '').split(/[?#]/)[0];
  try { url = decodeURIComponent(url); } catch (error) {}
  url = url.replace(/\\\\/g, '/').split('/').map(part => part.split(';')[0]).join('/');
  const secret = /^\\/+admin(\\/|$)/.test(path.posix.normalize(url)) ||
      /^secret\\.example\\.?(:\\d+)?$/i.test(request.headers.host || '') ||
      [].concat(request.headers['x-role'] || []).join(',').split(',').some(
          role => role.trim() === 'denied');
  response.end(secret ? 'SECRET' : 'public');
}).listen(PORT, '127.0.0.1');
"""
APACHE = """
ServerName localhost
PidFile "DIR/apache.pid"
ErrorLog "DIR/apache.log"
Listen 127.0.0.1:PORT
LoadModule mpm_event_module MODULES/mod_mpm_event.so
LoadModule authz_core_module MODULES/mod_authz_core.so
DocumentRoot "DIR"
KeepAlive On
MaxKeepAliveRequests 0
AllowEncodedSlashes On
<Directory "DIR">
  Require all granted
</Directory>
"""
DENY = """\
  - to:
    - operation: {paths: ["/admin", "/admin/*"]}
    - operation: {hosts: ["secret.example", "secret.example:*"]}
  - when:
    - {key: "request.headers[x-role]", values: ["denied"]}
"""


def host(name):
    return f"{name}.demo.svc.cluster.local"


class Servers:
    """nginx, Apache and Node, each with a secret under /admin, behind sidecars."""

    NAMES = ("nginx", "apache", "node")

    def __init__(self):
        self.mesh = Mesh()
        nginx, root = self.mesh.nginx("location / { }")
        self.ports = {"nginx": nginx, "apache": self._apache(), "node": self._node()}
        self._fill(root)
        self.mesh.write("mesh.yaml", documents(
            *(service(name, self.ports[name]) for name in self.NAMES),
            *(allow(f"deny-{name}", name, DENY, action="DENY") for name in self.NAMES)))
        self.mesh.start()
        self.backends = [self.mesh.add(name, inbound=[(self.ports[name], "HTTP")])
                         for name in self.NAMES]
        self.frontend = self.mesh.add("frontend", outbound=[(host(n), 80) for n in self.NAMES])
        self.ways = {name: self.frontend.outbound[host(name)] for name in self.NAMES}
        for name in self.NAMES:
            await_true(f"{name} answers", lambda n=name: self.status(n, "/index.html") == 200)
            assert self.status(name, "/admin/secret") == 403, name

    def status(self, name, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.ways[name], timeout=10)
        connection.request("GET", path)
        try:
            return connection.getresponse().status
        finally:
            connection.close()

    def _fill(self, directory):
        (directory / "admin").mkdir()
        (directory / "admin" / "secret").write_bytes(SECRET)
        (directory / "index.html").write_text("public")

    def _apache(self):
        directory = pathlib.Path(tempfile.mkdtemp(prefix="apache-", dir=self.mesh.directory))
        directory.chmod(0o755)
        self.mesh.directory.chmod(0o755)
        self._fill(directory)
        port = free_port()
        (directory / "httpd.conf").write_text(
            APACHE.replace("DIR", str(directory)).replace("PORT", str(port)).replace(
                "MODULES", "/usr/lib/apache2/modules"))
        self.mesh._extra.append(Process("apache", ["apache2", "-D", "FOREGROUND", "-f",
                                                   directory / "httpd.conf"], self.mesh.directory))
        return port

    def _node(self):
        port = free_port()
        script = NODE.replace("PORT", str(port)).replace("SECRET", SECRET.decode())
        self.mesh._extra.append(Process("node", ["node", "-e", script], self.mesh.directory))
        return port

    def __enter__(self):
        return self

    def __exit__(self, *problem):
        self.mesh.__exit__(*problem)


class Mutator:
    """Requests as (method, target, host, headers, raw line ending tricks)."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def target(self):
        pick, path = self.random.choice, pick_start(self.random)
        for _ in range(self.random.randrange(1, 5)):
            path = pick(MUTATIONS)(path, self.random)
        return path

    def request(self):
        pick = self.random.choice
        method = pick(["GET"] * 6 + ["POST", "HEAD", "get", "OPTIONS", "PUT", "PROPFIND"])
        headers, name, target = [], "h", "/index.html"
        attack = self.random.randrange(10)
        if attack < 7:
            target = self.target()
        elif attack == 7:
            name = pick(["secret.example", "Secret.Example", "secret.example.", "SECRET.example:80",
                         "secret.example.:80", "secret.example:", "secret.example:080",
                         "secret.example:65536", " secret.example", "a@secret.example",
                         "secret.example%00", "secret.example\t", "secret.example,h"])
        elif attack == 8:
            values = [pick(["a", "denied", "a,denied", "denied ,b", " denied", "a, denied",
                            "\xffdenied", "denied\xff", "den\tied", "Denied"])
                      for _ in range(self.random.randrange(1, 4))]
            headers = [(pick(["x-role", "X-Role", "x-ROLE"]), value) for value in values]
        else:
            headers = [(pick(["X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Uri", "X-HTTP-Path",
                              "Referer"]), "/admin/secret"),
                       (pick(["X-Forwarded-Host", "Host", "X-Host"]), "secret.example")]
        return method, target, name, headers


def pick_start(rand):
    return rand.choice(["/admin/secret", "/admin/secret", "/admin", "/admin/", "/a/../admin/secret"])


def encode_one(path, rand):
    at = rand.randrange(len(path))
    form = rand.choice(["%{:02x}", "%{:02X}", "%25{:02x}", "%u00{:02x}", "%c0%{:02x}", "\\x{:02x}"])
    return path[:at] + form.format(ord(path[at]) & 255) + path[at + 1:]


def insert(*choices):
    def mutate(path, rand):
        slashes = [i for i, c in enumerate(path) if c in "/\\"] or [0]
        at = rand.choice(slashes) + rand.choice([0, 1])
        return path[:at] + rand.choice(choices) + path[at:]
    return mutate


def replace_slash(path, rand):
    slashes = [i for i, c in enumerate(path) if c == "/"]
    if not slashes:
        return path
    at = rand.choice(slashes)
    return path[:at] + rand.choice(["//", "\\", "%2f", "%2F", "%5c", "%5C", "/./", "%252f", "/;/",
                                    "%c0%af", "%ef%bc%8f", "///"]) + path[at + 1:]


def wrap(path, rand):
    return rand.choice(["http://h{}", "http://secret.example{}", "HTTP://H{}", "//h{}", "{}#x",
                        "{}?x", "{}?/../public", "/x?{}", "/#{}", "{};a=b", "{};/..;/x", "{}%00",
                        "{}%20", "{}.", "{}/.", "{}/..", "/public/..;{}", "/x;y/..{}", "{}%09",
                        "h{}", "*{}", "/{}"]).format(path)


def flip_case(path, rand):
    at = rand.randrange(len(path))
    return path[:at] + (path[at].swapcase() if path[at].isascii() else path[at]) + path[at + 1:]


MUTATIONS = [encode_one, encode_one, replace_slash, wrap, flip_case,
             insert("/", "./", "../", "x/../", "%2e/", "%2e%2e/", ".%2e/", ";/", ";a=b", "..;/",
                    "/x;y/../", "%2e%2e%2f", "..%5c", "..%252f", ".", "%00", "%0a", "%0d%0a", "\x7f",
                    "\t", "\xff", "%ff", "~", "..%00/", "x/..;a/", "%3b", "%3Bx")]


def http1(request):
    method, target, name, headers = request
    lines = [f"{method} {target} HTTP/1.1", f"Host: {name}",
             *(f"{key}: {value}" for key, value in headers), "Content-Length: 0"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def fields(request):
    method, target, name, headers = request
    return [(":method", method), (":scheme", "http"), (":authority", name), (":path", target),
            *((key.lower(), value) for key, value in headers)]


def send_http1(port, requests):
    """All on one connection; what comes back, until it ends or falls silent with the last one's."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        end = b"GET /index.html HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
        try:
            connection.sendall(b"".join(map(http1, requests)) + end)
            while chunk := connection.recv(65536):
                received += chunk
        except OSError:
            pass
    return received


def attack(servers, count, seed=1):
    """(attempts, requests that got the secret). A third of it in HTTP/1.1, the rest in HTTP/2."""
    mutator, made, stolen = Mutator(seed), 0, []
    connections = {}
    while made < count:
        for name in servers.NAMES:
            for request in (mutator.request() for _ in range(20)):
                made += 1
                if SECRET in send_http1(servers.ways[name], [request]):
                    stolen.append((name, "HTTP/1.1", request))
            batch = [mutator.request() for _ in range(40)]
            made += len(batch)
            try:
                if name not in connections:
                    connections[name] = http2.Connection(servers.ways[name])
                answers = connections[name].exchange([(fields(r), b"") for r in batch])
            except ConnectionError:  # A request took the others' connection with it: one by one.
                connections.pop(name).close()
                answers = [alone(servers.ways[name], request) for request in batch]
            stolen += [(name, "HTTP/2", request) for request, (_, body, _) in zip(batch, answers)
                       if SECRET in body]
    for connection in connections.values():
        connection.close()
    return made, stolen


def alone(port, request):
    try:
        with http2.Connection(port) as connection:
            return connection.exchange([(fields(request), b"")])[0]
    except ConnectionError:
        return b"", b"", True


def reach(servers, count, seed=2):
    """How many of the requests read the secret from servers that nothing protects."""
    mutator = Mutator(seed)
    return sum(SECRET in send_http1(servers.ports[name], [mutator.request()])
               for _ in range(count // len(servers.NAMES)) for name in servers.NAMES)
