"""A mesh of the real programs for one test: a control plane, sidecars and applications on free
loopback ports, in a temporary directory, ended by process id.

A test makes a Mesh in a `with` block, adds workloads, writes registry files, and talks to the
sidecars as their applications and peers would.
"""

import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("KITH_BIN", ROOT / "bazel-bin" / "source"))
CONTROL_PLANE = BIN / "controlplane" / "kith-controlplane"
SIDECAR = BIN / "sidecar" / "kith-sidecar"
KITHCTL = BIN / "ctl" / "kithctl"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def await_true(what, condition, seconds=15.0):
    """Until `condition` returns something true, which is returned; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    last = None
    while time.monotonic() < deadline:
        try:
            value = condition()
            if value:
                return value
        except (OSError, AssertionError, ValueError, KeyError, http.client.HTTPException) as error:
            last = error
        time.sleep(0.02)
    raise AssertionError(f"{what}: not within {seconds} s" + (f" (last: {last})" if last else ""))


class Process:
    """A program of the project, its output in a file."""

    def __init__(self, name, command, directory):
        self.name = name
        self.log_path = directory / f"{name}.log"
        self._log = open(self.log_path, "ab")
        self._process = subprocess.Popen(
            [str(part) for part in command], stdout=self._log, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL)

    @property
    def pid(self):
        return self._process.pid

    @property
    def running(self):
        return self._process.poll() is None

    def log(self):
        return self.log_path.read_text(errors="replace")

    def end(self, how=signal.SIGTERM, seconds=20):
        """Sends a signal and waits; returns the exit code."""
        if self.running:
            self._process.send_signal(how)
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise AssertionError(f"{self.name} did not end within {seconds} s of {how}")
        finally:
            self._log.close()
        return code


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body


def request(port, path="/", method="GET", body=None, headers=None, timeout=10):
    """One HTTP request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path, body=body, headers=headers or {},
                           encode_chunked="Transfer-Encoding" in (headers or {}))
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()


def raw(port, data, timeout=10, end=True):
    """Sends bytes, returns all that comes back until the peer closes; a reset ends it too."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(data)
            if end:
                connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            while chunk := connection.recv(65536):
                received += chunk
    return received


def metric(port, name, **labels):
    """The sum of a metric's series that carry these labels."""
    total = 0.0
    for line in request(port, "/metrics").body.decode().splitlines():
        match = re.match(r"^(\w+)(?:\{(.*)\})? (\S+)$", line)
        if not match or match.group(1) != name:
            continue
        found = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', match.group(2) or ""))
        if all(found.get(key) == value for key, value in labels.items()):
            total += float(match.group(3))
    return total


def metric_labels(port, name, label):
    """The values a label of a metric has."""
    text = request(port, "/metrics").body.decode()
    return set(re.findall(rf'^{name}\{{.*?{label}="([^"]*)"', text, re.MULTILINE))


class Workload:
    """A sidecar, with what a test needs to know of it."""

    def __init__(self, mesh, name, service_account, namespace):
        self.mesh, self.name = mesh, name
        self.service_account, self.namespace = service_account, namespace
        self.directory = mesh.directory / name
        self.directory.mkdir()
        self.socket = self.directory / "admin.sock"
        self.metrics_port = free_port()
        self.access_log = self.directory / "access.log"
        self.config_path = self.directory / "sidecar.yaml"
        self.token_path = self.directory / "token"
        self.inbound, self.outbound = {}, {}
        self.process = None

    @property
    def spiffe_id(self):
        return (f"spiffe://{self.mesh.trust_domain}/ns/{self.namespace}"
                f"/sa/{self.service_account}")

    def start(self):
        self.process = Process(f"sidecar-{self.name}", [SIDECAR, "--config", self.config_path],
                               self.mesh.directory)
        return self

    def await_ready(self):
        await_true(f"{self.name} is ready",
                   lambda: request(self.metrics_port, "/healthz/ready").status == 200)
        return self

    def metric(self, name, **labels):
        return metric(self.metrics_port, name, **labels)

    def certs(self):
        return self.mesh.kithctl("certs", "show", "--sidecar", self.socket)

    def status(self):
        return self.mesh.kithctl("status", "--sidecar", self.socket)

    def serial(self):
        return self.certs()["chain"][0]["serial"]

    def logged(self, seconds=5, **fields):
        """The newest access-log line with these fields; dots reach into objects."""

        def matches(line):
            for key, value in fields.items():
                found = line
                for part in key.split("__"):
                    found = found.get(part, {}) if isinstance(found, dict) else {}
                if found != value:
                    return False
            return True

        def find():
            lines = [json.loads(line) for line in self.access_log.read_text().splitlines()]
            return next((line for line in reversed(lines) if matches(line)), None)

        return await_true(f"{self.name} logs {fields}", find, seconds)


class Mesh:
    def __init__(self, leaf_lifetime="1h", trust_domain="cluster.local", control_plane=""):
        """control_plane: further lines of its configuration."""
        self.trust_domain = trust_domain
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="kith-test-"))
        self.config = self.directory / "config"
        self.config.mkdir()
        self.state = self.directory / "controlplane"
        self.port, self.metrics_port = free_port(), free_port()
        self.socket = self.state / "admin.sock"
        self.leaf_lifetime = leaf_lifetime
        self.workloads, self._servers, self._extra = [], [], []
        self.control_plane = None
        self._write_control_plane_config(control_plane)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        for process in self._extra:
            process.end()  # nginx ends its workers only if it is asked.
        for workload in self.workloads:
            if workload.process and workload.process.running:
                workload.process.end(signal.SIGKILL)
        if self.control_plane and self.control_plane.running:
            self.control_plane.end(signal.SIGKILL)
        for server in self._servers:
            server.close()
        if kind is not None:
            for log in sorted(self.directory.glob("*.log")):
                tail = log.read_text(errors="replace").splitlines()[-15:]
                print(f"--- {log.name}\n" + "\n".join(tail))
        shutil.rmtree(self.directory, ignore_errors=True)

    def _write_control_plane_config(self, further):
        lines = [
            f"trustDomain: {self.trust_domain}",
            f"stateDirectory: {self.state}",
            f"address: 127.0.0.1:{self.port}",
            f"monitoringAddress: 127.0.0.1:{self.metrics_port}",
            f"adminSocket: {self.socket}",
            "registry:",
            f"  directory: {self.config}",
        ]
        self.control_plane_config = self.directory / "controlplane.yaml"
        self.control_plane_config.write_text("\n".join(lines) + "\n" + further)

    def start(self):
        self.control_plane = Process(
            "controlplane", [CONTROL_PLANE, "--config", self.control_plane_config], self.directory)
        await_true("the control plane is ready",
                   lambda: request(self.metrics_port, "/healthz/ready").status == 200)
        return self

    def kithctl(self, *arguments):
        """The command's JSON; fails with its message when it fails."""
        done = subprocess.run(
            [KITHCTL, "-o", "json", "--control-plane", self.socket, *map(str, arguments)],
            capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, f"kithctl {arguments}: {done.stderr}"
        return json.loads(done.stdout)

    def write(self, name, text):
        """A registry file, replaced as editors do it."""
        temporary = self.config / f".{name}.new"
        temporary.write_text(text)
        temporary.rename(self.config / name)

    def write_token(self, workload, ttl="1h"):
        self.kithctl("token", "create", "--namespace", workload.namespace, "--service-account",
                     workload.service_account, "--ttl", ttl, "--file", workload.token_path)

    def add(self, name, service_account=None, namespace="demo", inbound=(), outbound=(),
            start=True, extra="", identity=()):
        """A workload. inbound: (application port, "HTTP"|"TCP"); outbound: (host, port).

        identity: further lines of that block, indented by two."""
        workload = Workload(self, name, service_account or name, namespace)
        lines = [
            "workload:",
            f"  name: {name}",
            f"  namespace: {namespace}",
            f"  serviceAccount: {workload.service_account}",
            f"  trustDomain: {self.trust_domain}",
            "  labels:",
            f"    app: {name.split('-')[0]}",
            "identity:",
            f"  lifetime: {self.leaf_lifetime}",
            *identity,
            "controlPlane:",
            f"  address: 127.0.0.1:{self.port}",
            "  serverName: kith-controlplane",
            f"  trustBundleFile: {self.state / 'root-cert.pem'}",
            f"  tokenFile: {workload.token_path}",
            "admin:",
            f"  socket: {workload.socket}",
            "observability:",
            f"  address: 127.0.0.1:{workload.metrics_port}",
            f"  accessLog: {workload.access_log}",
        ]
        if inbound:
            lines.append("inbound:")
        for application, protocol in inbound:
            workload.inbound[application] = free_port()
            lines += [f"- bind: 127.0.0.1:{workload.inbound[application]}",
                      f"  application: 127.0.0.1:{application}",
                      f"  protocol: {protocol}"]
        if outbound:
            lines.append("outbound:")
        for host, port in outbound:
            workload.outbound[host] = free_port()
            lines += [f"- bind: 127.0.0.1:{workload.outbound[host]}",
                      f"  service: {host}",
                      f"  port: {port}"]
        workload.config_path.write_text("\n".join(lines) + "\n" + extra)
        self.write_token(workload)
        self.workloads.append(workload)
        if start:
            workload.start().await_ready()
        return workload

    def sign_leaf(self, name, spiffe_id, days=1):
        """A leaf that the mesh's present root signs behind the control plane's back, for attacks:
        the files of its certificate and key."""
        roots = sorted(self.state.glob("rotation-root-*-cert.pem")) or [self.state / "root-cert.pem"]
        keys = sorted(self.state.glob("rotation-root-*-key.pem")) or [self.state / "root-key.pem"]
        certificate, key = self.directory / f"{name}.pem", self.directory / f"{name}-key.pem"
        extensions = self.directory / f"{name}.cnf"
        extensions.write_text(f"subjectAltName=critical,URI:{spiffe_id}\n"
                              "keyUsage=critical,digitalSignature\n"
                              "extendedKeyUsage=serverAuth,clientAuth\n"
                              "basicConstraints=critical,CA:FALSE\n"
                              "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n")
        for command in (
                ["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                 "-subj", "/", "-keyout", key, "-out", self.directory / f"{name}.csr"],
                ["x509", "-req", "-in", self.directory / f"{name}.csr", "-CA", roots[0], "-CAkey",
                 keys[0], "-days", days, "-extfile", extensions, "-out", certificate]):
            subprocess.run(["openssl", *map(str, command)], check=True, capture_output=True,
                           timeout=30)
        return certificate, key

    def await_synced(self, workload, seconds=15):
        """Until the control plane has every type of the workload's configuration acknowledged."""

        def synced():
            for each in self.kithctl("status")["workloads"]:
                if each["name"] == workload.name and each["connected"]:
                    return each["config"] and all(
                        one["state"] == "SYNCED" for one in each["config"])
            return False

        await_true(f"{workload.name} is in sync", synced, seconds)

    def nginx(self, locations, keepalive=""):
        """An nginx with these location blocks; returns its port."""
        port = free_port()
        directory = pathlib.Path(tempfile.mkdtemp(prefix="nginx-", dir=self.directory))
        temporary = "\n".join(f"  {kind}_temp_path {directory}/{kind};" for kind in
                              ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (directory / "nginx.conf").write_text(f"""
daemon off;
pid {directory}/nginx.pid;
error_log stderr warn;
user root;
worker_processes 1;
events {{ worker_connections 4096; }}
http {{
  access_log {directory}/access.log;
{temporary}
  keepalive_requests 10000000;
  client_max_body_size 64m;
  {keepalive}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    root {directory};
    {locations}
  }}
}}
""")
        self._extra.append(Process(f"nginx-{port}", [
            "nginx", "-c", directory / "nginx.conf", "-e", "stderr"], self.directory))
        await_true("nginx listens", lambda: socket.create_connection(("127.0.0.1", port), 1).close()
                   or True)
        return port, directory

    def run(self, name, command):
        """Another program, ended with the mesh."""
        process = Process(name, command, self.directory)
        self._extra.append(process)
        return process

    def server(self, serve):
        """A TCP server that calls serve(connection) in a thread for each; returns its port."""
        listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._servers.append(listener)

        def run():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=_serve, args=(serve, connection), daemon=True).start()

        threading.Thread(target=run, daemon=True).start()
        return listener.getsockname()[1]


def _serve(serve, connection):
    with connection, contextlib.suppress(OSError):
        serve(connection)


def service(name, application_port, port=80, port_name="http", namespace="demo"):
    """A Kubernetes Service that selects the workloads named after it."""
    return f"""
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  selector: {{app: {name}}}
  ports:
  - {{name: {port_name}, port: {port}, targetPort: {application_port}}}
"""


def allow(name, app, rules, namespace="demo", action="ALLOW"):
    """An AuthorizationPolicy for one app; `rules` is YAML, indented by two."""
    return f"""
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  selector: {{matchLabels: {{app: {app}}}}}
  action: {action}
  rules:
{rules}
"""


def peer_authentication(mode, name="default", namespace="istio-system"):
    return f"""
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  mtls: {{mode: {mode}}}
"""


def documents(*each):
    return "---".join(each)


class Load:
    """wrk against a port for some seconds, in the background."""

    def __init__(self, port, seconds, connections=32, path="/"):
        self._process = subprocess.Popen(
            ["wrk", "--threads", "1", "--connections", str(connections), "--duration",
             f"{int(seconds)}s", "--timeout", "5s", f"http://127.0.0.1:{port}{path}"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self._seconds = seconds

    def finish(self):
        """(requests, failed): a failed one is a socket error, a timeout, or not 2xx or 3xx."""
        output, _ = self._process.communicate(timeout=self._seconds + 60)
        made = re.search(r"(\d+) requests in", output)
        assert made, f"wrk said: {output}"
        failed = sum(int(n) for n in re.findall(r"Non-2xx or 3xx responses: (\d+)", output))
        for errors in re.findall(r"Socket errors: (.*)", output):
            failed += sum(int(n) for n in re.findall(r"\d+", errors))
        return int(made.group(1)), failed
