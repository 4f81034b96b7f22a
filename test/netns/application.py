"""An application without any idea of a mesh: HTTP on 8080 and 80, gRPC on 50051, an echo on 9000, and
on 3306 a server that speaks first. It answers with its name and counts what reaches it.
"""

import concurrent.futures
import http.server
import socket
import socketserver
import sys
import threading

import grpc

NAME = sys.argv[1]


class Dual:
    address_family = socket.AF_INET6
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 256


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = f"PLAINTEXT-MARKER {NAME} {self.path} {self.client_address[0]}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        print("hit", self.client_address[0], self.path, flush=True)


class Http(Dual, http.server.ThreadingHTTPServer):
    pass


class Tcp(Dual, socketserver.ThreadingTCPServer):
    pass


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        print("hit", self.client_address[0], "echo", flush=True)
        while data := self.request.recv(65536):
            self.request.sendall(data)


class SpeaksFirst(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(b"PLAINTEXT-MARKER greeting of " + NAME.encode() + b"\n")
        self.request.recv(100)


def serve_grpc():
    def say(request, context):
        print("hit", context.peer(), "grpc", flush=True)
        return NAME.encode() + b" heard " + request

    server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(
        "echo.Echo", {"Say": grpc.unary_unary_rpc_method_handler(say)}),))
    server.add_insecure_port("[::]:50051")
    server.start()
    return server


grpc_server = serve_grpc()
for server in (Http(("::", 8080), Handler), Http(("::", 80), Handler), Tcp(("::", 9000), Echo),
               Tcp(("::", 3306), SpeaksFirst)):
    threading.Thread(target=server.serve_forever, daemon=True).start()
print("listening", flush=True)
threading.Event().wait()
