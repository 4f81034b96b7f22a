"""Hosts of a test: network namespaces on one bridge, each with an IPv4 and an IPv6 address, and the
programs in them, ended by process id.

  cp    the control plane       10.77.0.2   fd77::2
  a, b  with a captured sidecar 10.77.0.11  fd77::11, 10.77.0.12 fd77::12
  c     without one             10.77.0.13  fd77::13
  sw    the bridge itself       10.77.0.1   fd77::1, everybody's router
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
from istio_ca import DEBIAN_PYTHON  # noqa: E402
from mesh import BIN, CONTROL_PLANE, KITHCTL, SIDECAR, Process, await_true  # noqa: E402

PROXY_UID = 1337
NUMBERS = {"cp": 2, "a": 11, "b": 12, "c": 13}
HERE = pathlib.Path(__file__).resolve().parent


def run(*command, check=True, **options):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True,
                          timeout=options.pop("timeout", 30), **options)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}: {done.stderr or done.stdout}")
    return done


class Hosts:
    def __init__(self):
        self.prefix = f"kn{os.getpid()}"
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="kith-netns-"))
        self.directory.chmod(0o755)
        self.processes = []
        self._namespaces = []

    def namespace(self, host):
        return f"{self.prefix}-{host}"

    def ip(self, host, v6=False):
        return f"fd77::{NUMBERS[host]}" if v6 else f"10.77.0.{NUMBERS[host]}"

    def command(self, host, *command, user=0, capabilities=()):
        """The command line that runs a command on a host, as a user with these capabilities."""
        as_user = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
        for each in capabilities:
            as_user += [f"--inh-caps=+{each}", f"--ambient-caps=+{each}"]
        return ["ip", "netns", "exec", self.namespace(host), *(as_user if user else []),
                *map(str, command)]

    def run(self, host, *command, user=0, **options):
        return run(*self.command(host, *command, user=user), **options)

    def start(self, name, host, *command, **who):
        process = Process(name, self.command(host, *command, **who), self.directory)
        self.processes.append(process)
        return process

    def __enter__(self):
        self._add("sw")
        switch = self.namespace("sw")
        run("ip", "-n", switch, "link", "add", "br0", "type", "bridge")
        run("ip", "-n", switch, "link", "set", "br0", "up")
        run("ip", "-n", switch, "address", "add", "10.77.0.1/24", "dev", "br0")
        run("ip", "-n", switch, "address", "add", "fd77::1/64", "dev", "br0", "nodad")
        for host in NUMBERS:
            self._add(host)
            self._connect(host)
        return self

    def _add(self, host):
        run("ip", "netns", "add", self.namespace(host))
        self._namespaces.append(self.namespace(host))
        run("ip", "-n", self.namespace(host), "link", "set", "lo", "up")

    def _connect(self, host):
        switch, own = self.namespace("sw"), self.namespace(host)
        run("ip", "-n", switch, "link", "add", f"p-{host}", "type", "veth", "peer", "name", "eth0",
            "netns", own)
        run("ip", "-n", switch, "link", "set", f"p-{host}", "master", "br0", "up")
        run("ip", "-n", own, "link", "set", "eth0", "up")
        run("ip", "-n", own, "address", "add", f"{self.ip(host)}/24", "dev", "eth0")
        run("ip", "-n", own, "address", "add", f"{self.ip(host, v6=True)}/64", "dev", "eth0",
            "nodad")
        # Service addresses need a route, or connecting to one fails before it can be redirected.
        run("ip", "-n", own, "route", "add", "default", "via", "10.77.0.1")
        run("ip", "-n", own, "-6", "route", "add", "default", "via", "fd77::1")

    def link(self, host, state):
        run("ip", "-n", self.namespace("sw"), "link", "set", f"p-{host}", state)

    def lose_packets(self, host, percent):
        """Of what arrives at the host; 0 ends it."""
        rules = "add table inet loss\ndelete table inet loss\n"
        if percent:
            rules += f"""table inet loss {{
  chain arriving {{
    type filter hook input priority filter; policy accept;
    iifname "eth0" numgen random mod 100 < {percent} drop
  }}
}}
"""
        self.run(host, "nft", "-f", "-", input=rules)

    def __exit__(self, kind, *_):
        for process in self.processes:
            if process.running:
                process.end()
        for namespace in reversed(self._namespaces):
            run("ip", "netns", "del", namespace, check=False)
        if kind is not None:
            for log in sorted(self.directory.glob("*.log")):
                tail = log.read_text(errors="replace").splitlines()[-12:]
                print(f"--- {log.name}\n" + "\n".join(tail))
        shutil.rmtree(self.directory, ignore_errors=True)


class Mesh:
    """A control plane on cp, captured sidecars on a and b, applications everywhere."""

    def __init__(self, hosts):
        self.hosts = hosts
        self.directory = hosts.directory
        self.config = self.directory / "config"
        self.config.mkdir()
        self.state = self.directory / "controlplane"
        self.socket = self.state / "admin.sock"
        self.sidecars = {}

    def start_control_plane(self):
        path = self.directory / "controlplane.yaml"
        path.write_text(f"""
stateDirectory: {self.state}
address: 10.77.0.2:15012
monitoringAddress: 10.77.0.2:15014
adminSocket: {self.socket}
registry: {{directory: {self.config}}}
""")
        self.control_plane = self.hosts.start("controlplane", "cp", CONTROL_PLANE, "--config", path)
        await_true("the control plane answers", lambda: self.kithctl("status") is not None)
        self.state.chmod(0o711)  # Sidecars run as another user and read the root's certificate.

    def kithctl(self, *arguments):
        done = run(KITHCTL, "-o", "json", "--control-plane", self.socket, *arguments)
        return json.loads(done.stdout)

    def add(self, host, unknown="PASS_THROUGH", capture=(), transparent=False):
        directory = self.directory / host
        directory.mkdir(exist_ok=True)
        token = directory / "token"
        self.kithctl("token", "create", "--namespace", "demo", "--service-account", host, "--ttl",
                     "1h", "--file", token)
        config = directory / "sidecar.yaml"
        config.write_text(f"""
workload: {{name: {host}, namespace: demo, serviceAccount: {host}, labels: {{app: {host}}}}}
controlPlane:
  address: 10.77.0.2:15012
  serverName: kith-controlplane
  trustBundleFile: {self.state}/root-cert.pem
  tokenFile: {token}
capture: {{inbound: "[::]:15006", outbound: "[::]:15001", unknownDestinations: {unknown},
  transparent: {json.dumps(transparent)}}}
admin: {{socket: {directory}/admin.sock}}
observability: {{address: "{self.hosts.ip(host)}:15020", accessLog: {directory}/access.log}}
""")
        for path in (directory, token, config):
            shutil.chown(path, PROXY_UID, PROXY_UID)
        mode = ("--inbound-mode", "tproxy") if transparent else ()
        self.hosts.run(host, SIDECAR, "capture", "apply", "--proxy-uid", PROXY_UID, *mode, *capture)
        sidecar = self.hosts.start(f"sidecar-{host}", host, SIDECAR, "--config", config,
                                   user=PROXY_UID, capabilities=["net_admin"] if transparent else [])
        self.sidecars[host] = sidecar
        await_true(f"the sidecar of {host} is ready", lambda: self.ready(host))
        return sidecar

    def ready(self, host):
        return self.hosts.run(host, "curl", "-sf",
                              f"http://{self.hosts.ip(host)}:15020/healthz/ready").returncode == 0

    def logged(self, host):
        path = self.directory / host / "access.log"
        return [json.loads(line) for line in path.read_text().splitlines()]

    def application(self, host):
        """HTTP on 8080 and 80, gRPC on 50051, an echo on 9000, a server that speaks first on
        3306."""
        started = self.hosts.start(f"app-{host}", host, DEBIAN_PYTHON, HERE / "application.py", host)
        await_true(f"the application of {host} listens",
                   lambda: "listening" in started.log())
        return started


__all__ = ["BIN", "DEBIAN_PYTHON", "Hosts", "Mesh", "PROXY_UID", "SIDECAR", "await_true", "run"]
