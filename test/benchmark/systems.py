"""Pairs of proxies, configured as equals: mutual TLS 1.3 between the two, AES-128-GCM, P-256 leaves of
one authority, names verified both ways, keep-alive to everywhere, one worker each, logs off.

A pair tells the port to speak to for each kind of traffic ("http", "tcp", "bulk", "handshake",
"h2", "grpc"); a kind it cannot carry is left out, with the cause.
"""

import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

from measure import PAIR_CORE, TOOLS, family, pin  # noqa: E402
from mesh import Process, allow, await_true, documents, free_port, request  # noqa: E402

SUITE = "TLS_AES_128_GCM_SHA256"
FRONTEND = "cluster.local/ns/demo/sa/frontend"


class Origin:
    """The application behind every pair."""

    def __init__(self, mesh):
        self.http, self.echo, self.bulk = free_port(), free_port(), free_port()
        self._process = subprocess.Popen(
            [str(TOOLS / "origin"), str(self.http), str(self.echo), str(self.bulk)],
            stdin=subprocess.PIPE)
        self.pids = [self._process.pid]
        await_true("the origin answers", lambda: request(self.http).status == 200)
        # One that speaks HTTP/2, with the trailer that makes it a gRPC answer. It passes requests on,
        # because nginx answers by itself before it has read them, which its own grpc_pass cannot take.
        self.h2 = free_port()
        process = nginx(mesh, "h2-origin", http=f"""
          upstream answers {{ server 127.0.0.1:{self.http}; keepalive 64; }}
          server {{ listen 127.0.0.1:{self.h2} http2 backlog=4096; client_body_buffer_size 16k;
                    location / {{ proxy_pass http://answers; proxy_http_version 1.1;
                                  proxy_set_header Connection ""; proxy_method GET;
                                  proxy_pass_request_body off; proxy_set_header Content-Length "";
                                  add_trailer grpc-status 0 always; }} }}""")
        self.pids += family(process.pid)

    def close(self):
        self._process.stdin.close()
        self._process.wait(10)


def openssl(directory, *arguments):
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)


def certificates(mesh):
    """A P-256 authority and one leaf for the peers; returns the directory they lie in."""
    directory = mesh.directory / "certificates"
    if directory.exists():
        return directory
    directory.mkdir()
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl(directory, "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj",
            "/CN=bench", "-days", "2")
    openssl(directory, "req", *key, "-keyout", "leaf.key", "-out", "leaf.csr", "-subj", "/CN=peer")
    (directory / "ext").write_text(
        "subjectAltName=DNS:peer\nextendedKeyUsage=serverAuth,clientAuth\n")
    openssl(directory, "x509", "-req", "-in", "leaf.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-CAcreateserial", "-days", "2", "-extfile", "ext", "-out", "leaf.pem")
    both = (directory / "leaf.pem").read_text() + (directory / "leaf.key").read_text()
    (directory / "both.pem").write_text(both)
    return directory


def nginx(mesh, name, http="", stream=""):
    directory = mesh.directory / name
    directory.mkdir()
    temporary = "".join(f"{kind}_temp_path {directory}/{kind};" for kind in
                        ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (directory / "nginx.conf").write_text(f"""
      load_module /usr/lib/nginx/modules/ngx_stream_module.so;
      daemon off; user root; pid {directory}/pid; error_log stderr crit; worker_processes 1;
      worker_rlimit_nofile 65536;
      events {{ worker_connections 32768; }}
      http {{ access_log off; tcp_nodelay on; keepalive_requests 100000000;
              keepalive_timeout 600s; {temporary} {http} }}
      stream {{ {stream} }}""")
    process = Process(name, ["nginx", "-c", directory / "nginx.conf", "-e", "stderr"],
                      mesh.directory)
    mesh._extra.append(process)
    return process


class NginxPair:
    def __init__(self, mesh, origin):
        files = certificates(mesh)
        names = ("http", "grpc", "tcp", "bulk", "handshake")
        inner = {name: free_port() for name in names}
        self.ports = {name: free_port() for name in names}
        self.absent = {"h2": "nginx 1.22 has no HTTP/2 towards upstreams"}
        keep = "keepalive 2048; keepalive_requests 100000000; keepalive_timeout 600s;"
        proxy = ('proxy_http_version 1.1; proxy_set_header Connection ""; '
                 "proxy_request_buffering off; proxy_max_temp_file_size 0; "
                 "proxy_buffer_size 16k; proxy_buffers 8 16k;")

        def upstream_tls(prefix, reuse="on"):
            return (f"{prefix}_ssl_certificate {files}/leaf.pem; "
                    f"{prefix}_ssl_certificate_key {files}/leaf.key; "
                    f"{prefix}_ssl_trusted_certificate {files}/ca.pem; {prefix}_ssl_verify on; "
                    f"{prefix}_ssl_name peer; {prefix}_ssl_server_name on; "
                    f"{prefix}_ssl_protocols TLSv1.3; "
                    f"{prefix}_ssl_conf_command Ciphersuites {SUITE}; "
                    f"{prefix}_ssl_session_reuse {reuse};")

        server_tls = (f"ssl_certificate {files}/leaf.pem; ssl_certificate_key {files}/leaf.key; "
                      f"ssl_client_certificate {files}/ca.pem; ssl_verify_client on; "
                      f"ssl_protocols TLSv1.3; ssl_conf_command Ciphersuites {SUITE};")
        cached = "ssl_session_cache shared:S:10m;"
        targets = {"tcp": origin.echo, "bulk": origin.bulk, "handshake": origin.echo}
        server = nginx(mesh, "nginx-server", http=f"""
          upstream app {{ server 127.0.0.1:{origin.http}; {keep} }}
          upstream grpc {{ server 127.0.0.1:{origin.h2}; {keep} }}
          server {{ listen 127.0.0.1:{inner["http"]} ssl backlog=4096; {server_tls} {cached}
                    ssl_buffer_size 16k; location / {{ {proxy} proxy_pass http://app; }} }}
          server {{ listen 127.0.0.1:{inner["grpc"]} ssl http2 backlog=4096; {server_tls} {cached}
                    location / {{ grpc_pass grpc://grpc; }} }}""", stream="".join(f"""
          server {{ listen 127.0.0.1:{inner[name]} ssl backlog=4096; {server_tls}
                    {"ssl_session_cache off; ssl_session_tickets off;" if name == "handshake" else ""}
                    tcp_nodelay on; proxy_buffer_size 16k; proxy_timeout 600s;
                    proxy_pass 127.0.0.1:{target}; }}""" for name, target in targets.items()))
        client = nginx(mesh, "nginx-client", http=f"""
          upstream peer {{ server 127.0.0.1:{inner["http"]}; {keep} }}
          upstream grpc {{ server 127.0.0.1:{inner["grpc"]}; {keep} }}
          server {{ listen 127.0.0.1:{self.ports["http"]} backlog=4096;
                    location / {{ {proxy} proxy_pass https://peer; {upstream_tls("proxy")} }} }}
          server {{ listen 127.0.0.1:{self.ports["grpc"]} http2 backlog=4096;
                    location / {{ grpc_pass grpcs://grpc; {upstream_tls("grpc")} }} }}""",
                       stream="".join(f"""
          server {{ listen 127.0.0.1:{self.ports[name]} backlog=4096; tcp_nodelay on; proxy_ssl on;
                    proxy_buffer_size 16k; proxy_timeout 600s;
                    {upstream_tls("proxy", "off" if name == "handshake" else "on")}
                    proxy_pass 127.0.0.1:{inner[name]}; }}""" for name in targets))
        await_true("the nginx pair answers", lambda: request(self.ports["http"]).status == 200)
        self.pids = family(server.pid) + family(client.pid)
        pin(self.pids, PAIR_CORE)


class HaproxyPair:
    """`between`: the protocol the two speak to each other, "http/1.1" or "h2"."""

    def __init__(self, mesh, origin, between):
        files = certificates(mesh)
        names = ("http", "h2", "grpc") if between == "h2" else ("http",)
        inner = {name: free_port() for name in names}
        self.ports = {name: free_port() for name in names}
        self.absent = {}
        to_app = {"http": f"127.0.0.1:{origin.http}", "h2": f"127.0.0.1:{origin.h2} proto h2",
                  "grpc": f"127.0.0.1:{origin.h2} proto h2"}
        plain = {"http": "", "h2": "proto h2", "grpc": "proto h2"}
        server = self._start(mesh, f"haproxy-server-{between[:2]}", "".join(f"""
listen {name}
  bind 127.0.0.1:{inner[name]} backlog 4096 ssl crt {files}/both.pem ca-file {files}/ca.pem verify required alpn h2,http/1.1
  server app {to_app[name]} pool-purge-delay 600s
""" for name in names))
        client = self._start(mesh, f"haproxy-client-{between[:2]}", "".join(f"""
listen {name}
  bind 127.0.0.1:{self.ports[name]} backlog 4096 {plain[name]}
  server peer 127.0.0.1:{inner[name]} ssl verify required verifyhost peer sni str(peer) ca-file {files}/ca.pem crt {files}/both.pem alpn {between} pool-purge-delay 600s
""" for name in names))
        await_true("the haproxy pair answers", lambda: request(self.ports["http"]).status == 200)
        self.pids = family(server.pid) + family(client.pid)
        pin(self.pids, PAIR_CORE)

    def _start(self, mesh, name, sections):
        path = mesh.directory / f"{name}.cfg"
        path.write_text(f"""
global
  nbthread 1
  maxconn 8000
  ssl-default-server-ciphersuites {SUITE}
  ssl-default-bind-ciphersuites {SUITE}
  ssl-default-server-options ssl-min-ver TLSv1.3
  ssl-default-bind-options ssl-min-ver TLSv1.3
  tune.ssl.cachesize 20000
defaults
  mode http
  http-reuse always
  timeout connect 10s
  timeout client 600s
  timeout server 600s
  timeout http-keep-alive 600s
{sections}""")
        process = Process(name, ["haproxy", "-db", "-f", path], mesh.directory)
        mesh._extra.append(process)
        return process


def kith_services(origin):
    """Services by the kind of traffic, all answered by the backend's sidecar."""
    kinds = {"http": ("http", origin.http), "tcp": ("tcp", origin.echo), "bulk": ("tcp", origin.bulk),
             "grpc": ("grpc", origin.h2)}
    return kinds, documents(*(f"""
apiVersion: v1
kind: Service
metadata: {{name: {kind}, namespace: demo}}
spec:
  selector: {{app: backend}}
  ports: [{{name: {name}, port: 80, targetPort: {port}}}]
""" for kind, (name, port) in kinds.items()))


# What the backend's sidecar speaks to its application, by the service port's name.
PROTOCOLS = {"tcp": "TCP", "http": "HTTP", "grpc": "HTTP2"}


class KithPair:
    """Policy and metrics as they are by default; no access log, as on the other side."""

    def __init__(self, mesh, origin, links=""):
        kinds, services = kith_services(origin)
        mesh.write("mesh.yaml", documents(services, allow("readers", "backend", f"""\
  - from:
    - source: {{principals: ["{FRONTEND}"]}}
    to:
    - operation: {{methods: ["GET", "POST"]}}
  - from:
    - source: {{principals: ["{FRONTEND}"]}}
    to:
    - operation: {{ports: ["{origin.echo}", "{origin.bulk}"]}}""")))
        mesh.start()
        self.backend = mesh.add("backend", start=False, extra=links, inbound=[
            (port, PROTOCOLS[name]) for name, port in kinds.values()])
        self.frontend = mesh.add("frontend", start=False, extra=links, outbound=[
            (f"{kind}.demo.svc.cluster.local", 80) for kind in kinds])
        self.sidecars = [self.backend, self.frontend]
        for workload in self.sidecars:
            text = workload.config_path.read_text()
            workload.config_path.write_text(
                text.replace(f"  accessLog: {workload.access_log}\n", ""))
            workload.start().await_ready()
        ports = {host.partition(".")[0]: port for host, port in self.frontend.outbound.items()}
        self.ports = {**ports, "h2": ports["grpc"], "handshake": ports["tcp"]}
        self.absent = {}
        self.pids = [workload.process.pid for workload in self.sidecars]
        pin(self.pids, PAIR_CORE)

    def await_answers(self):
        await_true("the Kith pair answers", lambda: request(self.ports["http"]).status == 200)

    def handshakes(self):
        return self.backend.metric("kith_tls_handshakes_total", side="server", result="ok")
