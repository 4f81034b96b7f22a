"""Interleaved rounds of load through a Kith pair and an nginx pair; see run.sh."""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

from mesh import Load, Mesh, Process, allow, await_true, documents, free_port, request, service  # noqa: E402

HOST = "backend.demo.svc.cluster.local"
BODY = "x" * 104
CONNECTIONS = 64


def cpu_seconds(pids):
    """User and system time of these processes and their children that live."""
    ticks = 0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def family(pid):
    """The process and its children (nginx has a master and a worker)."""
    pids = [pid]
    for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        pids += family(int(child))
    return pids


def openssl(directory, *arguments):
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)


def certificates(directory):
    """A P-256 authority and a leaf for both nginx."""
    openssl(directory, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=bench", "-days", "2")
    openssl(directory, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", "leaf.key", "-out", "leaf.csr", "-subj", "/CN=peer")
    (directory / "ext").write_text("subjectAltName=DNS:peer\nextendedKeyUsage=serverAuth,clientAuth\n")
    openssl(directory, "x509", "-req", "-in", "leaf.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-CAcreateserial", "-days", "2", "-extfile", "ext", "-out", "leaf.pem")


class NginxPair:
    """nginx as both sidecars, configured as spec'd for equals: keep-alive to everywhere, no logs."""

    def __init__(self, mesh, application):
        self.directory = mesh.directory / "nginx-pair"
        self.directory.mkdir()
        certificates(self.directory)
        tls, self.port = free_port(), free_port()
        keep = "keepalive 2048; keepalive_requests 100000000; keepalive_timeout 600s;"
        proxy = ('proxy_http_version 1.1; proxy_set_header Connection ""; '
                 "proxy_request_buffering off; proxy_max_temp_file_size 0; "
                 "proxy_buffer_size 16k; proxy_buffers 8 16k;")
        suite = "Ciphersuites TLS_AES_128_GCM_SHA256"
        files = self.directory
        self._server = self._start(mesh, "server", f"""
          upstream app {{ server 127.0.0.1:{application}; {keep} }}
          server {{
            listen 127.0.0.1:{tls} ssl backlog=4096;
            ssl_certificate {files}/leaf.pem; ssl_certificate_key {files}/leaf.key;
            ssl_client_certificate {files}/ca.pem; ssl_verify_client on;
            ssl_protocols TLSv1.3; ssl_conf_command {suite};
            ssl_session_cache shared:S:10m; ssl_buffer_size 16k;
            location / {{ {proxy} proxy_pass http://app; }}
          }}""")
        self._client = self._start(mesh, "client", f"""
          upstream peer {{ server 127.0.0.1:{tls}; {keep} }}
          server {{
            listen 127.0.0.1:{self.port} backlog=4096;
            location / {{
              {proxy} proxy_pass https://peer;
              proxy_ssl_certificate {files}/leaf.pem; proxy_ssl_certificate_key {files}/leaf.key;
              proxy_ssl_trusted_certificate {files}/ca.pem; proxy_ssl_verify on;
              proxy_ssl_name peer; proxy_ssl_server_name on; proxy_ssl_protocols TLSv1.3;
              proxy_ssl_conf_command {suite}; proxy_ssl_session_reuse on;
            }}
          }}""")
        await_true("the nginx pair answers", lambda: request(self.port).status == 200)
        self.pids = family(self._server.pid) + family(self._client.pid)

    def _start(self, mesh, name, servers):
        temporary = "".join(f"{kind}_temp_path {self.directory}/{name}-{kind};" for kind in
                            ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        path = self.directory / f"{name}.conf"
        path.write_text(f"""
          daemon off; pid {self.directory}/{name}.pid; error_log stderr crit; worker_processes 1;
          events {{ worker_connections 16384; }}
          http {{ access_log off; tcp_nodelay on; keepalive_requests 100000000;
                  keepalive_timeout 600s; {temporary} {servers} }}""")
        process = Process(f"nginx-pair-{name}", ["nginx", "-c", path, "-e", "stderr"], mesh.directory)
        mesh._extra.append(process)
        return process


class KithPair:
    def __init__(self, mesh, application):
        mesh.write("mesh.yaml", documents(service("backend", application),
                                          allow("readers", "backend", """\
  - from:
    - source: {principals: ["cluster.local/ns/demo/sa/frontend"]}
    to:
    - operation: {methods: ["GET"]}""")))
        mesh.start()
        backend = mesh.add("backend", inbound=[(application, "HTTP")], start=False)
        frontend = mesh.add("frontend", outbound=[(HOST, 80)], start=False)
        for workload in (backend, frontend):
            # Logs off, as on the other side; policy and metrics as they are by default.
            text = workload.config_path.read_text()
            workload.config_path.write_text(
                text.replace(f"  accessLog: {workload.access_log}\n", ""))
            workload.start().await_ready()
        self.port = frontend.outbound[HOST]
        await_true("the Kith pair answers", lambda: request(self.port).status == 200)
        self.pids = [backend.process.pid, frontend.process.pid]


def measure(pair, seconds):
    """CPU microseconds of the pair per request, and requests per second."""
    before, started = cpu_seconds(pair.pids), time.monotonic()
    requests, failed = Load(pair.port, seconds, CONNECTIONS).finish()
    spent, elapsed = cpu_seconds(pair.pids) - before, time.monotonic() - started
    assert failed == 0, f"{failed} requests failed"
    return spent * 1e6 / requests, requests / elapsed


def quartiles(values):
    if len(values) < 4:
        return min(values), max(values)
    low, _, high = statistics.quantiles(values, n=4)
    return low, high


def main():
    rounds, seconds, json_path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    with Mesh() as mesh:
        application, _ = mesh.nginx(f"location / {{ access_log off; return 200 {BODY}; }}")
        pairs = {"kith": KithPair(mesh, application), "nginx": NginxPair(mesh, application)}
        for pair in pairs.values():
            measure(pair, 1)
        cost, rate = {"kith": [], "nginx": []}, {"kith": [], "nginx": []}
        for number in range(rounds):
            for name in ("kith", "nginx") if number % 2 == 0 else ("nginx", "kith"):
                microseconds, per_second = measure(pairs[name], seconds)
                cost[name].append(microseconds)
                rate[name].append(per_second)
            print(f"round {number + 1}/{rounds}: kith {cost['kith'][-1]:.1f} us/request, "
                  f"nginx {cost['nginx'][-1]:.1f}", flush=True)
        ratios = [k / n for k, n in zip(cost["kith"], cost["nginx"])]
        speeds = [k / n for k, n in zip(rate["kith"], rate["nginx"])]
        figures = {"http1_cpu_vs_nginx": statistics.median(ratios),
                   "http1_rps_vs_nginx": statistics.median(speeds)}
        print(f"\n{'FIGURE':24}{'KITH':>10}{'NGINX':>10}{'RATIO':>8}  MIDDLE HALF")
        for key, values, unit in (("http1_cpu_vs_nginx", cost, "us"), ("http1_rps_vs_nginx", rate, "/s")):
            spread = quartiles(ratios if key == "http1_cpu_vs_nginx" else speeds)
            print(f"{key:24}{statistics.median(values['kith']):>8.1f}{unit}"
                  f"{statistics.median(values['nginx']):>8.1f}{unit}{figures[key]:>8.2f}  "
                  f"{spread[0]:.2f} to {spread[1]:.2f}")
        if json_path:
            pathlib.Path(json_path).write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
