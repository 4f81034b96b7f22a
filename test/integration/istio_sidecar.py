"""What Istio's sidecar is on the wire, for tests: how its outbound side calls a peer, and how its inbound
side chooses what to do with a connection by the application protocols that it offers.
"""

import socket
import ssl
import struct

# What it offers, by what it carries.
HTTP10 = ["istio-http/1.0", "istio", "http/1.0"]
HTTP1 = ["istio-http/1.1", "istio", "http/1.1"]
HTTP2 = ["istio-h2", "istio", "h2"]
TCP = ["istio-peer-exchange", "istio"]
METADATA = ("x-envoy-peer-metadata-id", "sidecar~10.0.0.1~legacy-1.demo~demo.svc.cluster.local")


def names(certificate):
    """The URI names of what getpeercert() gives."""
    return [value for kind, value in (certificate or {}).get("subjectAltName", ()) if kind == "URI"]


def connect(port, credentials, roots, alpn, server):
    """A connection as its outbound side makes it, to whoever is `server`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # It compares the SPIFFE ID instead, below.
    context.load_verify_locations(roots)
    context.load_cert_chain(*credentials)
    context.set_alpn_protocols(alpn)
    connection = context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=10),
                                     server_hostname="outbound_.80_._.backend.demo.svc.cluster.local")
    assert names(connection.getpeercert()) == [server], names(connection.getpeercert())
    return connection


def offered(hello):
    """The application protocols of a ClientHello, from the first record's bytes."""
    at = 5 + 4 + 2 + 32  # Record and handshake headers, version, random.
    at += 1 + hello[at]  # The session's id.
    at += 2 + struct.unpack_from("!H", hello, at)[0]  # Cipher suites.
    at += 1 + hello[at] + 2  # Compression, and the length of the extensions.
    while at + 4 <= len(hello):
        kind, size = struct.unpack_from("!HH", hello, at)
        if kind == 16:
            found, at, end = [], at + 6, at + 4 + size
            while at < end:
                found.append(hello[at + 1:at + 1 + hello[at]].decode())
                at += 1 + hello[at]
            return found
        at += 4 + size
    return []


class Inbound:
    """Its inbound side under STRICT, as a function for mesh.Mesh.server(). It notes what came."""

    def __init__(self, credentials, roots):
        self.seen = []  # (chain, what was agreed on, who the peer is)
        self._contexts = {}
        for chain, alpn in (("http", ["h2", "http/1.1"]),
                            ("tcp", ["istio-peer-exchange", "h2", "http/1.1"])):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(roots)
            context.load_cert_chain(*credentials)
            context.set_alpn_protocols(alpn)
            self._contexts[chain] = context

    def __call__(self, connection):
        hello = connection.recv(16384, socket.MSG_PEEK)
        protocols = offered(hello)
        if any(each.startswith("istio-http/") or each == "istio-h2" for each in protocols):
            chain = "http"
        elif "istio" in protocols or "istio-peer-exchange" in protocols:
            chain = "tcp"
        else:
            self.seen.append(("none", None, []))
            return
        with self._contexts[chain].wrap_socket(connection, server_side=True) as tls:
            peer = names(tls.getpeercert())
            self.seen.append((chain, tls.selected_alpn_protocol(), peer))
            if chain == "tcp":
                while data := tls.recv(65536):
                    tls.sendall(data)
            else:
                self._answer(tls)

    @staticmethod
    def _answer(tls):
        data = b""
        while part := tls.recv(65536):
            data += part
            while b"\r\n\r\n" in data:
                head, _, data = data.partition(b"\r\n\r\n")
                tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s: %s\r\n\r\n%s" % (
                    len(head), METADATA[0].encode(), METADATA[1].encode(), head))
