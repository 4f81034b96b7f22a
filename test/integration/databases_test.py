"""Databases outside the mesh that take TLS only, reached by applications that know nothing of TLS:
the sidecar asks for it as PostgreSQL and MySQL have it, shows a certificate, and lets nothing pass
that comes before."""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import unittest

from authority import Authority, outside
from mesh import Mesh, Process, await_true, documents, free_port

TLS_REQUEST = struct.pack(">II", 8, 80877103)
GSS_REQUEST = struct.pack(">II", 8, 80877104)
STARTUP = struct.pack(">II", 8 + 10, 196608) + b"user\0me\0\0\0"
CLIENT_SSL = 0x800
CAPABILITIES = 0x200 | 0x8000 | 0x80000  # Protocol 4.1, secure connection, plugin names.


def read(connection, size):
    data = b""
    while len(data) < size:
        chunk = connection.recv(size - len(data))
        if not chunk:
            raise ConnectionError(f"ended after {data!r}")
        data += chunk
    return data


def packet(sequence, payload):
    return struct.pack("<I", len(payload))[:3] + bytes([sequence]) + payload


def read_packet(connection):
    head = read(connection, 4)
    return head[3], read(connection, struct.unpack("<I", head[:3] + b"\0")[0])


def greeting(capabilities):
    return (b"\x0a" + b"8.0.0-scripted\0" + struct.pack("<I", 7) + b"12345678" + b"\0" +
            struct.pack("<H", capabilities & 0xffff) + b"\xff" + struct.pack("<H", 2) +
            struct.pack("<H", capabilities >> 16) + b"\x15" + bytes(10) + b"123456789012\0" +
            b"mysql_native_password\0")


def login(capabilities=CAPABILITIES):
    return (struct.pack("<IIB", capabilities, 1 << 24, 33) + bytes(23) + b"me\0" + b"\x04pass" +
            b"mysql_native_password\0")


class DatabasesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.mesh = Mesh()
        cls.addClassCleanup(cls.mesh.__exit__, None)
        cls.ca = Authority(cls.mesh.directory / "database-ca")
        server = cls.ca.leaf("server", san="DNS:*.partner.example")
        cls.client = cls.ca.leaf("me", san="DNS:client")
        cls.server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        cls.server_tls.load_cert_chain(*server)
        cls.server_tls.load_verify_locations(cls.ca.certificate)
        cls.server_tls.verify_mode = ssl.CERT_REQUIRED
        cls.seen = []
        tls = (f"{{mode: MUTUAL, clientCertificate: {cls.client[0]}, privateKey: {cls.client[1]}, "
               f"caCertificates: {cls.ca.certificate}}}")
        databases = {
            "pg": ("POSTGRES", cls.mesh.server(cls.serve_postgresql)),
            "pg-plain": ("POSTGRES", cls.mesh.server(lambda c: (read(c, 8), c.sendall(b"N")))),
            "pg-injected": ("POSTGRES", cls.mesh.server(
                lambda c: (read(c, 8), c.sendall(b"SZ\0\0\0\5I"), c.recv(1)))),
            "my": ("MYSQL", cls.mesh.server(cls.serve_mysql)),
            "my-plain": ("MYSQL", cls.mesh.server(
                lambda c: (c.sendall(packet(0, greeting(CAPABILITIES))), c.recv(1)))),
            "my-busy": ("MYSQL", cls.mesh.server(
                lambda c: c.sendall(packet(0, b"\xff\x10\x04Too many connections")))),
        }
        cls.postgresql_port = free_port()
        databases["real-pg"] = ("POSTGRES", cls.postgresql_port)
        cls.mesh.write("outside.yaml", documents(*(
            outside(f"{name}.partner.example", port, tls, protocol)
            for name, (protocol, port) in databases.items())))
        cls.mesh.start()
        cls.sidecar = cls.mesh.add("frontend", outbound=[
            (f"{name}.partner.example", 80) for name in databases])
        await_true("the services are known",
                   lambda: len(cls.sidecar.status()["config"]["services"]) == len(databases))

    @classmethod
    def serve_postgresql(cls, connection):
        assert read(connection, 8) == TLS_REQUEST
        connection.sendall(b"S")
        with contextlib.suppress(OSError):
            wrapped = cls.server_tls.wrap_socket(connection, server_side=True)
            name = dict(part[0] for part in wrapped.getpeercert()["subject"])["commonName"]
            wrapped.sendall(name.encode() + b":" + read(wrapped, len(STARTUP)))
            while chunk := wrapped.recv(4096):
                wrapped.sendall(chunk)
            wrapped.unwrap().close()

    @classmethod
    def serve_mysql(cls, connection):
        connection.sendall(packet(0, greeting(CAPABILITIES | CLIENT_SSL)))
        sequence, asked = read_packet(connection)
        assert (sequence, len(asked)) == (1, 32)
        assert struct.unpack("<I", asked[:4])[0] == CAPABILITIES | CLIENT_SSL
        with contextlib.suppress(OSError):
            wrapped = cls.server_tls.wrap_socket(connection, server_side=True)
            cls.seen.append(read_packet(wrapped))
            wrapped.sendall(packet(3, b"\xfemysql_native_password\0" + b"n" * 20 + b"\0"))
            cls.seen.append(read_packet(wrapped))
            wrapped.sendall(packet(5, b"\x00\0\0\2\0\0\0"))
            while True:
                sequence, command = read_packet(wrapped)
                wrapped.sendall(packet(sequence + 1, b"\x00" + command))

    def connect(self, name):
        return socket.create_connection(
            ("127.0.0.1", self.sidecar.outbound[f"{name}.partner.example"]), timeout=10)

    def refused(self, name, first, reason):
        with self.connect(name) as connection, contextlib.suppress(ConnectionResetError):
            connection.sendall(first)
            self.assertEqual(connection.recv(4096), b"")
        self.assertTrue(self.sidecar.logged(reason=reason)["detail"])

    def test_brings_a_plaintext_client_to_postgresql_over_tls(self):
        with self.connect("pg") as connection:
            connection.sendall(STARTUP)
            self.assertEqual(read(connection, 3 + len(STARTUP)), b"me:" + STARTUP)
            connection.sendall(b"query")
            self.assertEqual(read(connection, 5), b"query")

    def test_tells_a_postgresql_client_that_asks_that_there_is_no_encryption(self):
        with self.connect("pg") as connection:
            for question in (GSS_REQUEST, TLS_REQUEST):
                connection.sendall(question)
                self.assertEqual(read(connection, 1), b"N")
            connection.sendall(STARTUP)
            self.assertEqual(read(connection, 3 + len(STARTUP)), b"me:" + STARTUP)

    def test_refuses_a_postgresql_without_tls(self):
        self.refused("pg-plain", STARTUP, "tls_not_offered")

    def test_refuses_bytes_that_are_put_before_tls(self):
        self.refused("pg-injected", STARTUP, "upstream_protocol_error")

    def test_brings_a_plaintext_client_to_mysql_over_tls(self):
        self.seen.clear()
        with self.connect("my") as connection:
            sequence, hello = read_packet(connection)
            self.assertEqual((sequence, hello), (0, greeting(CAPABILITIES)))
            connection.sendall(packet(1, login()))
            sequence, switch = read_packet(connection)
            self.assertEqual((sequence, switch[:1]), (2, b"\xfe"))
            connection.sendall(packet(3, b"scramble"))
            sequence, done = read_packet(connection)
            self.assertEqual((sequence, done[:1]), (4, b"\x00"))
            connection.sendall(packet(0, b"\x03select 1"))
            self.assertEqual(read_packet(connection), (1, b"\x00\x03select 1"))
        self.assertEqual(self.seen, [(2, login(CAPABILITIES | CLIENT_SSL)), (4, b"scramble")])

    def test_refuses_a_mysql_without_tls(self):
        self.refused("my-plain", b"", "tls_not_offered")

    def test_refuses_a_mysql_client_that_asks_for_tls_itself(self):
        with self.connect("my") as connection, contextlib.suppress(ConnectionResetError):
            read_packet(connection)
            connection.sendall(packet(1, login(CAPABILITIES | CLIENT_SSL)[:32]))
            self.assertEqual(connection.recv(4096), b"")
        self.assertIn("asks for TLS", self.sidecar.logged(reason="bad_request")["detail"])

    def test_passes_on_what_a_busy_mysql_says(self):
        with self.connect("my-busy") as connection:
            self.assertIn(b"Too many connections", read_packet(connection)[1])

    def test_brings_psql_to_a_postgresql_that_wants_certificates(self):
        programs = pathlib.Path("/usr/lib/postgresql/15/bin")
        if os.geteuid() != 0 or not (programs / "initdb").exists() or not shutil.which("psql"):
            self.skipTest("postgresql is not installed")
        directory = pathlib.Path(self.mesh.directory / "postgresql")
        directory.mkdir()
        self.mesh.directory.chmod(0o755)
        server = self.ca.leaf("postgresql", san="DNS:*.partner.example")
        for path, name in ((server[0], "server.crt"), (server[1], "server.key"),
                           (self.ca.certificate, "ca.crt")):
            shutil.copy(path, directory / name)
            (directory / name).chmod(0o600)
        for path in (directory, *directory.iterdir()):
            shutil.chown(path, "postgres", "postgres")

        def as_postgres(*command):
            return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command]
        subprocess.run(as_postgres(programs / "initdb", "-D", directory / "data", "-A", "trust", "-U",
                                   "me", "--no-sync"), check=True, capture_output=True)
        (directory / "data" / "pg_hba.conf").write_text("hostssl all all 127.0.0.1/32 cert\n")
        options = {"port": self.postgresql_port, "listen_addresses": "127.0.0.1", "ssl": "on",
                   "unix_socket_directories": directory, "fsync": "off",
                   "ssl_cert_file": directory / "server.crt", "ssl_ca_file": directory / "ca.crt",
                   "ssl_key_file": directory / "server.key"}
        database = Process("postgresql", as_postgres(
            programs / "postgres", "-D", directory / "data",
            *(part for key, value in options.items() for part in ("-c", f"{key}={value}"))),
            self.mesh.directory)
        self.addCleanup(database.end, signal.SIGINT)

        def ask():
            port = self.sidecar.outbound["real-pg.partner.example"]
            done = subprocess.run(
                ["psql", "-AtX", f"host=127.0.0.1 port={port} user=me dbname=postgres", "-c",
                 "select ssl, client_dn from pg_stat_ssl where pid = pg_backend_pid()"],
                capture_output=True, text=True, timeout=30)
            assert done.returncode == 0, done.stderr
            return done.stdout.strip()
        self.assertEqual(await_true("psql gets an answer", ask, 30), "t|/CN=me")


if __name__ == "__main__":
    unittest.main()
