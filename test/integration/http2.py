"""HTTP/2 frames by hand, for requests that no client library would send or count: many streams on
one connection, header names and values as they are given, and nothing decoded but what a test asks
for."""

import socket
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS, ACK = 1, 4, 1


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(
        ">I", stream) + payload


def text(value):
    """An HPACK string without Huffman coding, of less than 16 KiB."""
    data = value if isinstance(value, bytes) else value.encode("latin-1")
    if len(data) < 127:
        return bytes([len(data)]) + data
    rest, out = len(data) - 127, b"\x7f"
    while rest >= 128:
        out, rest = out + bytes([rest & 127 | 128]), rest >> 7
    return out + bytes([rest]) + data


def block(headers):
    return b"".join(b"\x00" + text(name) + text(value) for name, value in headers)


class Connection:
    """`exchange` sends requests, all at once, and returns what came back of each."""

    def __init__(self, port, timeout=20):
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(PREFACE + frame(SETTINGS, 0, 0) +
                             frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1 << 30)))
        self._buffer, self._next = b"", 1

    def close(self):
        self._socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def exchange(self, requests):
        """requests: (headers, body). The answers: (header blocks, body, reset), by request."""
        answers, order = {}, []
        for headers, body in requests:
            stream, self._next = self._next, self._next + 2
            order.append(stream)
            answers[stream] = [b"", b"", False]
            out = frame(HEADERS, END_HEADERS | (0 if body else END_STREAM), stream, block(headers))
            self._socket.sendall(out + (frame(DATA, END_STREAM, stream, body) if body else b""))
        waiting = set(order)
        while waiting:
            kind, flags, stream, payload = self._read()
            if kind == SETTINGS and not flags & ACK:
                self._socket.sendall(frame(SETTINGS, ACK, 0))
            elif kind == PING and not flags & ACK:
                self._socket.sendall(frame(PING, ACK, 0, payload))
            elif kind == GOAWAY:
                raise ConnectionError(f"GOAWAY {payload[8:]!r}")
            elif stream in answers:
                if kind in (HEADERS, DATA):
                    answers[stream][0 if kind == HEADERS else 1] += payload
                answers[stream][2] |= kind == RST_STREAM
                if kind == RST_STREAM or (kind in (HEADERS, DATA) and flags & END_STREAM):
                    waiting.discard(stream)
        return [tuple(answers[stream]) for stream in order]

    def _read(self):
        while len(self._buffer) < 9 or len(self._buffer) < 9 + self._length():
            received = self._socket.recv(65536)
            if not received:
                raise ConnectionError("the connection ended")
            self._buffer += received
        end = 9 + self._length()
        head, payload = self._buffer[:9], self._buffer[9:end]
        self._buffer = self._buffer[end:]
        return head[3], head[4], struct.unpack(">I", head[5:9])[0] & 0x7fffffff, payload

    def _length(self):
        return int.from_bytes(self._buffer[:3], "big")
