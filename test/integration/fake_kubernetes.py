"""A Kubernetes API server for tests: lists in pages, watches from a resourceVersion with bookmarks,
410 for a history that is gone, TokenReview, Leases, and optimistic concurrency. It misbehaves on request.

It answers over HTTPS with a certificate for 127.0.0.1, and only whoever has the present token or a
client certificate that it made.
"""

import contextlib
import http.server
import json
import queue
import re
import ssl
import subprocess
import threading
import time
import urllib.parse

# The collections there are, by their path.
COLLECTIONS = {
    "nodes": "/api/v1/nodes",
    "pods": "/api/v1/pods",
    "services": "/api/v1/services",
    "endpointslices": "/apis/discovery.k8s.io/v1/endpointslices",
    "namespaces": "/api/v1/namespaces",
    "authorizationpolicies": "/apis/security.istio.io/v1/authorizationpolicies",
    "peerauthentications": "/apis/security.istio.io/v1/peerauthentications",
    "requestauthentications": "/apis/security.istio.io/v1/requestauthentications",
    "destinationrules": "/apis/networking.istio.io/v1/destinationrules",
    "serviceentries": "/apis/networking.istio.io/v1/serviceentries",
    "workloadentries": "/apis/networking.istio.io/v1/workloadentries",
    "meshconfigs": "/apis/mesh.kith.dev/v1alpha1/meshconfigs",
    "ratelimitpolicies": "/apis/mesh.kith.dev/v1alpha1/ratelimitpolicies",
    "trustpolicies": "/apis/mesh.kith.dev/v1alpha1/trustpolicies",
}


class FakeKubernetes:
    def __init__(self, directory, certificate_ip="127.0.0.1"):
        self.directory = directory
        self.token_file, self.ca_file = directory / "api-token", directory / "api-ca.pem"
        self.lock = threading.RLock()
        self.version = 100
        self.oldest = 0  # Of the history: a watch from before it is gone.
        self.objects = {name: {} for name in COLLECTIONS}
        self.history = []  # (version, collection, event)
        self.watches = []  # (collection, queue)
        self.config_maps, self.webhooks, self.reviews = {}, {}, {}
        self.leases = {}
        self.statics = {}  # Other objects that are only read, by their path.
        self.denied = set()  # Resources that SelfSubjectAccessReview says no to.
        self.git_version = "v1.31.2"
        self.clock_ahead = 0  # Seconds.
        self.lists, self.requests = [], []
        self.set_token("first")
        self._make_certificate(certificate_ip)
        self._start(0)

    def _make_certificate(self, ip):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-subj", "/CN=api",
                        "-addext", f"subjectAltName=IP:{ip}", "-keyout",
                        self.directory / "api-key.pem", "-out", self.ca_file],
                       check=True, capture_output=True)

    def _start(self, port):
        fake = self

        class Handler(_Handler):
            kubernetes = fake

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.ca_file, self.directory / "api-key.pem")
        context.load_verify_locations(self.ca_file)
        context.verify_mode = ssl.CERT_OPTIONAL
        # The handshake is the connection's thread's, not the accepting one's.
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                 do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self):
        """As a server that is killed: no connection lives on."""
        self.server.shutdown()
        self.server.server_close()
        self.drop_watches()

    def restart(self):
        self._start(self.port)

    def set_token(self, token):
        self.token = token
        self.token_file.write_text(token + "\n")

    def put(self, collection, obj):
        key = (obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
        with self.lock:
            self.version += 1
            kind = "MODIFIED" if key in self.objects[collection] else "ADDED"
            obj = json.loads(json.dumps(obj))
            obj["metadata"]["resourceVersion"] = str(self.version)
            self.objects[collection][key] = obj
            self._tell(collection, {"type": kind, "object": obj})

    def delete(self, collection, namespace, name):
        with self.lock:
            self.version += 1
            obj = self.objects[collection].pop((namespace, name))
            obj["metadata"]["resourceVersion"] = str(self.version)
            self._tell(collection, {"type": "DELETED", "object": obj})

    def _tell(self, collection, event):
        self.history.append((self.version, collection, event))
        for name, waiting in self.watches:
            if name == collection:
                waiting.put(event)

    def forget_history(self):
        """As etcd compacts: the watches end, and to resume them is 410."""
        with self.lock:
            self.version += 1
            self.oldest = self.version
            self.history.clear()
        self.drop_watches()

    def drop_watches(self):
        with self.lock:
            for _, waiting in self.watches:
                waiting.put(None)
            self.watches.clear()

    def send(self, collection, event):
        """An event of any kind, to the watches of a collection."""
        with self.lock:
            for name, waiting in self.watches:
                if name == collection:
                    waiting.put(event)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    kubernetes = None

    def log_message(self, *_):
        pass

    def date_time_string(self, timestamp=None):
        return super().date_time_string((timestamp or time.time()) + self.kubernetes.clock_ahead)

    def handle(self):
        with contextlib.suppress(OSError, ValueError):
            super().handle()

    def _answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _fail(self, status, message):
        self._answer(status, {"kind": "Status", "code": status, "message": message})

    def _begin(self):
        """(path, query, body) of a request that may be answered."""
        length = int(self.headers.get("Content-Length", 0))
        body = json.loads(self.rfile.read(length)) if length else None
        url = urllib.parse.urlsplit(self.path)
        with self.kubernetes.lock:
            self.kubernetes.requests.append((self.command, self.path))
        has_token = self.headers.get("Authorization") == f"Bearer {self.kubernetes.token}"
        if not has_token and not self.connection.getpeercert():
            self._fail(401, "Unauthorized")
            return None, None, None
        return url.path, dict(urllib.parse.parse_qsl(url.query)), body

    def do_GET(self):
        path, query, _ = self._begin()
        fake = self.kubernetes
        if path is None:
            return
        collection = next((name for name, each in COLLECTIONS.items() if each == path), None)
        if collection and "watch" in query:
            return self._watch(collection, int(query["resourceVersion"]),
                               int(query["timeoutSeconds"]))
        if collection:
            return self._list(collection, query)
        if path == "/version":
            major, minor, _ = fake.git_version.lstrip("v").split(".")
            return self._answer(200, {"major": major, "minor": minor, "gitVersion": fake.git_version})
        found = (fake.config_maps.get(path) or fake.webhooks.get(path) or fake.leases.get(path) or
                 fake.statics.get(path))
        return self._answer(200, found) if found else self._fail(404, f"{path} not found")

    def _list(self, collection, query):
        fake = self.kubernetes
        with fake.lock:
            fake.lists.append(collection)
            items = sorted(fake.objects[collection].items())
            begin = int(query.get("continue", "0=").rstrip("="))
            limit = int(query.get("limit", len(items) + 1))
            more = begin + limit < len(items)
            metadata = {"resourceVersion": str(fake.version)}
            if more:
                metadata["continue"] = f"{begin + limit}="
            page = [item for _, item in items[begin:begin + limit]]
        self._answer(200, {"kind": "List", "metadata": metadata, "items": page})

    def _watch(self, collection, version, seconds):
        fake = self.kubernetes
        waiting = queue.Queue()
        with fake.lock:
            if version < fake.oldest:
                return self._fail(410, "too old resource version")
            for at, name, event in fake.history:
                if name == collection and at > version:
                    waiting.put(event)
            fake.watches.append((collection, waiting))
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        event = True
        while event is not None:
            try:
                event = waiting.get(timeout=min(seconds, 1))
            except queue.Empty:
                event = {"type": "BOOKMARK", "object": {"metadata": {
                    "resourceVersion": str(fake.version)}}}
            if event is not None:
                line = json.dumps(event).encode() + b"\n"
                # In two chunks: an event may come in any number of pieces.
                for part in (line[:7], line[7:]):
                    self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
                self.wfile.flush()
        self.close_connection = True
        return None

    def do_POST(self):
        path, _, body = self._begin()
        fake = self.kubernetes
        if path is None:
            return
        if path == "/apis/authentication.k8s.io/v1/tokenreviews":
            status = fake.reviews.get(body["spec"]["token"], {"authenticated": False})
            return self._answer(201, {"kind": "TokenReview", "status": status})
        if path == "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews":
            resource = body["spec"]["resourceAttributes"]["resource"]
            return self._answer(201, {"status": {"allowed": resource not in fake.denied}})
        if re.fullmatch(r"/api/v1/namespaces/[^/]+/configmaps", path):
            fake.config_maps[f"{path}/{body['metadata']['name']}"] = body
            return self._answer(201, body)
        if re.fullmatch(r"/apis/coordination.k8s.io/v1/namespaces/[^/]+/leases", path):
            name = f"{path}/{body['metadata']['name']}"
            with fake.lock:
                if name in fake.leases:
                    return self._fail(409, "already exists")
                body["metadata"]["resourceVersion"] = "1"
                fake.leases[name] = body
            return self._answer(201, body)
        return self._fail(404, path)

    def do_PATCH(self):
        path, _, body = self._begin()
        if path is None:
            return
        if path not in self.kubernetes.config_maps:
            return self._fail(404, path)
        self.kubernetes.config_maps[path]["data"].update(body["data"])
        self._answer(200, self.kubernetes.config_maps[path])

    def do_PUT(self):
        path, _, body = self._begin()
        if path is None:
            return
        fake = self.kubernetes
        objects = fake.leases if path in fake.leases else fake.webhooks
        with fake.lock:
            present = objects.get(path)
            if present is None:
                return self._fail(404, path)
            if present["metadata"]["resourceVersion"] != body["metadata"]["resourceVersion"]:
                return self._fail(409, "the object has been modified")
            body["metadata"]["resourceVersion"] += "1"
            objects[path] = body
        return self._answer(200, body)
