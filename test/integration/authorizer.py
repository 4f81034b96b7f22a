#!/usr/bin/python3
"""An external authorizer like OPA's: gRPC (envoy.service.auth.v3) by Debian's gRPC library, with
messages that protoc makes from api/, and HTTP. What it answers is in the path it is asked about.

usage: authorizer.py GRPC_PORT HTTP_PORT GENERATED
"""

import http.server
import subprocess
import pathlib
import sys
import threading
import time
from concurrent import futures

import grpc

API = pathlib.Path(__file__).resolve().parents[2] / "api"
PROTOS = ["envoy/service/auth/v3/external_auth.proto",
          "envoy/service/auth/v3/attribute_context.proto",
          "envoy/config/core/v3/address.proto", "google/rpc/status.proto"]


def generate(directory):
    subprocess.run(["protoc", "-I", API, "-I", "/usr/include", f"--python_out={directory}",
                    *(API / proto for proto in PROTOS)], check=True, timeout=60)
    sys.path.insert(0, directory)
    # The generated package of status.proto must not hide the library's own google.protobuf.
    import google
    google.__path__.append(str(pathlib.Path(directory) / "google"))
    from envoy.service.auth.v3 import external_auth_pb2
    return external_auth_pb2


def add(headers, name, value):
    option = headers.add()
    option.header.key, option.header.value = name, value
    return option


class Grpc:
    def __init__(self, messages):
        self.messages = messages

    def check(self, request, context):
        response = self.messages.CheckResponse()
        attributes = request.attributes
        path = attributes.request.http.path
        if not attributes.request.HasField("http"):  # TCP: by who it is.
            if attributes.source.principal.endswith("/sa/intruder"):
                response.status.code = 7
            return response
        if path.startswith("/body"):
            http = attributes.request.http
            body = http.raw_body or http.body.encode()
            if b"please" not in body:
                response.status.code = 7
                return response
            add(response.ok_response.headers, "x-shown", f"{len(body)} "
                f"{'raw' if http.raw_body else 'text'} {http.headers['x-envoy-auth-partial-body']}")
            return response
        if path.startswith("/slow"):
            print(path, flush=True)
            time.sleep(5)
        if path.startswith("/broken"):
            context.abort(grpc.StatusCode.UNAVAILABLE, "no opinion today")
        if path.startswith("/nonsense"):
            add(response.ok_response.headers, ":path", "/elsewhere")
            return response
        if path.startswith("/deny"):
            response.status.code = 7
            response.status.message = "not today"
            response.denied_response.status.code = 401
            response.denied_response.body = "log in first"
            add(response.denied_response.headers, "x-login", "/login")
            return response
        ok = response.ok_response
        add(ok.headers, "x-user", attributes.source.principal.rsplit("/", 1)[-1])
        add(ok.headers, "x-seen", f"{attributes.request.http.method} {path} "
            f"{attributes.request.http.headers.get('x-a', '-')} "
            f"{attributes.destination.principal.rsplit('/', 1)[-1]}")
        add(ok.headers, "x-a", "appended").append.value = True
        ok.headers_to_remove.append("x-secret")
        add(ok.response_headers_to_add, "x-decided-by", "grpc")
        return response


class Http(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = self.path
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if path.startswith("/check/body"):
            partial = self.headers["x-envoy-auth-partial-body"]
            return self.answer(200 if b"please" in body else 403,
                               {"x-shown": f"{len(body)} http {partial}"})
        if not path.startswith("/check/") or self.headers.get("x-private"):
            return self.answer(500)  # Shown what it should not see.
        if path.startswith("/check/broken"):
            return self.answer(503)
        if path.startswith("/check/login"):
            return self.answer(302, {"Location": "/login", "X-Why": "unknown"}, b"go there")
        if path.startswith("/check/quiet"):
            return self.answer(200)
        self.answer(200, {"x-user": "ann", "x-down": "yes", "x-up-a": self.headers["x-shown"] or "-",
                          "x-other": "not passed on"})

    do_POST = do_PUT = do_GET

    def answer(self, status, headers=None, body=b""):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def main():
    grpc_port, http_port, generated = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    messages = generate(generated)
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=64))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(
        "envoy.service.auth.v3.Authorization", {
            "Check": grpc.unary_unary_rpc_method_handler(
                Grpc(messages).check, messages.CheckRequest.FromString,
                messages.CheckResponse.SerializeToString)}),))
    assert server.add_insecure_port(f"127.0.0.1:{grpc_port}") == grpc_port
    server.start()
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", http_port), Http)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    print("ready", flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
