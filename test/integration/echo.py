"""Applications that return what they are sent: over HTTP/1.1, after an upgrade, or as bytes."""

import base64
import hashlib

WEBSOCKET_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def websocket_accept(key):
    return base64.b64encode(hashlib.sha1(key + WEBSOCKET_GUID).digest())


def tcp_echo(connection):
    """Every byte, then the half-close."""
    while some := connection.recv(65536):
        connection.sendall(some)


def read_head(stream):
    """(request line, headers in lower case), or None at the end."""
    line = stream.readline()
    if not line:
        return None
    headers = {}
    while (header := stream.readline()) not in (b"\r\n", b""):
        name, _, value = header.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    return line.decode("latin-1").strip(), headers


def read_body(stream, headers):
    if headers.get("transfer-encoding") == "chunked":
        body = b""
        while size := int(stream.readline() or b"0", 16):
            body += stream.read(size)
            stream.readline()
        stream.readline()
        return body
    return stream.read(int(headers.get("content-length", 0)))


def http_echo(connection):
    """Each request's body. After an upgrade, or CONNECT, every byte."""
    stream = connection.makefile("rb")
    while head := read_head(stream):
        line, headers = head
        if "upgrade" in headers:
            accept = websocket_accept(headers.get("sec-websocket-key", "").encode())
            connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                               b"Upgrade: " + headers["upgrade"].encode() + b"\r\n"
                               b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        elif line.startswith("CONNECT "):
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            body = read_body(stream, headers)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            continue
        while some := stream.read1(65536):
            connection.sendall(some)
        return
