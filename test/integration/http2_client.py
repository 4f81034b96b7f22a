"""As much of an HTTP/2 client as tests need: whole requests with flow control, and single frames
that no sound client sends."""

import socket
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = (
    0, 1, 2, 3, 4, 6, 7, 8, 9)
END_STREAM, ACK, END_HEADERS, PADDED = 0x1, 0x1, 0x4, 0x8
STATUS_200 = 0x88  # The static table's entry.
FRAME = 16384


def frame(kind, flags, stream, payload=b""):
    return (struct.pack("!I", len(payload))[1:] + bytes([kind, flags])
            + struct.pack("!I", stream) + payload)


def text(value):
    """A string of HPACK, not compressed."""
    size = len(value)
    if size < 127:
        return bytes([size]) + value
    out, size = b"\x7f", size - 127
    while size >= 128:
        out += bytes([size % 128 + 128])
        size //= 128
    return out + bytes([size]) + value


def block(fields):
    """A header block of literals that are never indexed."""
    return b"".join(b"\x10" + text(name) + text(value) for name, value in fields)


def request_fields(method="GET", path="/", authority="echo", extra=()):
    return [(b":method", method.encode()), (b":scheme", b"http"),
            (b":path", path.encode()), (b":authority", authority.encode()), *extra]


class Http2Client:
    """One connection, one request at a time."""

    def __init__(self, port=0, timeout=20, connection=None):
        """connection: in place of one to the port, for example over TLS."""
        self.socket = connection or socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.stream = self.socket.makefile("rb")
        self.socket.sendall(PREFACE + frame(SETTINGS, 0, 0, struct.pack("!HI", 4, 1 << 20))
                            + frame(WINDOW_UPDATE, 0, 0, struct.pack("!I", 1 << 30)))
        self.next_stream = 1
        self.initial_window = self.connection_window = 65535
        self.stream_window = 0
        self.goaway = None

    def close(self):
        self.stream.close()
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def read_frame(self):
        """(type, flags, stream, payload); None at the end. Answers what must be answered."""
        head = self.stream.read(9)
        if len(head) < 9:
            return None
        size = int.from_bytes(head[:3], "big")
        kind, flags = head[3], head[4]
        stream = struct.unpack("!I", head[5:])[0]
        payload = self.stream.read(size)
        if kind == SETTINGS and not flags & ACK:
            for at in range(0, size, 6):
                name, value = struct.unpack("!HI", payload[at:at + 6])
                if name == 4:
                    self.stream_window += value - self.initial_window
                    self.initial_window = value
            self.send(frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            self.send(frame(PING, ACK, 0, payload))
        elif kind == WINDOW_UPDATE:
            increment = struct.unpack("!I", payload)[0]
            if stream == 0:
                self.connection_window += increment
            else:
                self.stream_window += increment
        elif kind == GOAWAY:
            self.goaway = struct.unpack("!I", payload[4:8])[0]
        return kind, flags, stream, payload

    def start(self, body_follows, **request):
        """Sends a request's head; returns the stream."""
        stream, self.next_stream = self.next_stream, self.next_stream + 2
        self.stream_window = self.initial_window
        flags = END_HEADERS | (0 if body_follows else END_STREAM)
        self.send(frame(HEADERS, flags, stream, block(request_fields(**request))))
        return stream

    def exchange(self, body=b"", method="POST", path="/"):
        """(whether it was 200, body)."""
        stream = self.start(bool(body), method=method, path=path)
        received, good, sent = b"", False, 0
        while True:
            while sent < len(body):
                room = min(self.stream_window, self.connection_window, FRAME, len(body) - sent)
                if room <= 0:
                    break
                last = END_STREAM if sent + room == len(body) else 0
                self.send(frame(DATA, last, stream, body[sent:sent + room]))
                sent += room
                self.stream_window -= room
                self.connection_window -= room
            got = self.read_frame()
            if got is None:
                raise ConnectionError("the connection ended inside a response")
            kind, flags, of, payload = got
            if of != stream:
                continue
            if kind == HEADERS and not received:
                good = payload[:1] == bytes([STATUS_200])
            elif kind == DATA:
                received += payload
                if payload:
                    update = struct.pack("!I", len(payload))
                    self.send(frame(WINDOW_UPDATE, 0, 0, update))
                    if not flags & END_STREAM:
                        self.send(frame(WINDOW_UPDATE, 0, stream, update))
            elif kind == RST_STREAM and struct.unpack("!I", payload)[0] != 0:
                raise ConnectionError("the stream was reset")
            if kind in (HEADERS, DATA) and flags & END_STREAM:
                return good, received
