"""What goes over the wire to one TCP port of the loopback interface. Needs root."""

import socket
import struct
import threading


class Capture:
    """Counts segments and looks for words in their payloads until it is closed."""

    _ALL = 3  # ETH_P_ALL

    def __init__(self, port, words):
        self._port, self._words = port, [word.encode() for word in words]
        self.segments, self.bytes, self.found = 0, 0, []
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(self._ALL))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024 * 1024)
        self._socket.bind(("lo", 0))
        self._socket.settimeout(0.2)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._ending.set()
        self._thread.join()
        self._socket.close()

    def _run(self):
        while not self._ending.is_set():
            try:
                self._look(self._socket.recv(1 << 17))
            except socket.timeout:
                continue

    def _look(self, frame):
        ip = frame[14:]  # After the Ethernet header.
        if len(ip) < 40 or ip[0] >> 4 != 4 or ip[9] != socket.IPPROTO_TCP:
            return
        tcp = ip[(ip[0] & 15) * 4:]
        if self._port not in struct.unpack("!HH", tcp[:4]):
            return
        payload = tcp[(tcp[12] >> 4) * 4:]
        if not payload:
            return
        self.segments += 1
        self.bytes += len(payload)
        self.found += [word for word in self._words if word in payload]
