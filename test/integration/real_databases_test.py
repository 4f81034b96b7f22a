"""PostgreSQL and MariaDB behind a sidecar, their own clients behind another: what goes in comes out,
byte for byte, in tables and in bulk.

By its own command, because the servers are large packages: test/integration/run.py real_databases
(Debian's postgresql and mariadb-server).
"""

import glob
import pathlib
import random
import shutil
import subprocess
import tempfile
import unittest

from mesh import Mesh, Process, allow, await_true, documents, free_port, service

ROWS, SIZE = 200, 8192


def run(*command, text=None, seconds=60):
    done = subprocess.run([str(part) for part in command], input=text, capture_output=True,
                          text=True, timeout=seconds)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def rows():
    choice = random.Random(7)
    return [(number, choice.randbytes(choice.randrange(SIZE)).hex()) for number in range(ROWS)]


class DatabasesTest(unittest.TestCase):
    def setUp(self):
        self.mesh = Mesh()
        self.addCleanup(self.mesh.__exit__, None)

    def database_directory(self, user):
        """One that the server's user can use, for servers that do not run as root."""
        directory = pathlib.Path(tempfile.mkdtemp(prefix=f"kith-{user}-"))
        self.addCleanup(shutil.rmtree, directory, ignore_errors=True)
        shutil.chown(directory, user, user)
        return directory

    def serve(self, command, port):
        server = Process("database", command, self.mesh.directory)
        self.addCleanup(server.end)
        self.mesh.write("mesh.yaml", documents(
            service("db", port, port=port, port_name="tcp"), allow("db", "db", "  - {}")))
        self.mesh.start()
        self.mesh.add("db", inbound=[(port, "TCP")])
        host = "db.demo.svc.cluster.local"
        self.client = self.mesh.add("client", outbound=[(host, port)])
        return self.client.outbound[host]

    @unittest.skipUnless(glob.glob("/usr/lib/postgresql/*/bin/postgres") and shutil.which("psql"),
                         "needs postgresql")
    def test_psql_gets_back_what_it_copied_in(self):
        programs = pathlib.Path(sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1])
        directory = self.database_directory("postgres")
        run("runuser", "-u", "postgres", "--", programs / "initdb", "-D", directory / "data", "-A",
            "trust", "--no-sync")
        port = free_port()
        way = self.serve(["runuser", "-u", "postgres", "--", programs / "postgres", "-D",
                          directory / "data", "-p", str(port), "-k", directory, "-h", "127.0.0.1"],
                         port)
        psql = ["psql", "-h", "127.0.0.1", "-p", way, "-U", "postgres", "-v", "ON_ERROR_STOP=1", "-Atq"]
        await_true("psql reaches the database", lambda: subprocess.run(
            [*map(str, psql), "-c", "SELECT 1"], capture_output=True, timeout=20).stdout == b"1\n")
        lines = "".join(f"{number}\t\\\\x{data}\n" for number, data in rows())
        run(*psql, "-c", "CREATE TABLE t (n int, b bytea)", "-c", "COPY t FROM STDIN", text=lines)
        self.assertEqual(run(*psql, "-c", "COPY (SELECT * FROM t ORDER BY n) TO STDOUT"), lines)
        large = run(*psql, "-c", "SELECT repeat('0123456789', 1000000)")
        self.assertEqual(large, "0123456789" * 1000000 + "\n")

    @unittest.skipUnless(shutil.which("mariadbd") and shutil.which("mariadb"), "needs mariadb-server")
    def test_the_mariadb_client_gets_back_what_it_put_in(self):
        directory = self.database_directory("mysql")
        run("mariadb-install-db", "--no-defaults", f"--datadir={directory}/data", "--user=mysql",
            "--auth-root-authentication-method=normal", "--skip-test-db", seconds=120)
        port = free_port()
        way = self.serve(["mariadbd", "--no-defaults", "--user=mysql", f"--datadir={directory}/data",
                          f"--socket={directory}/socket", f"--port={port}",
                          "--bind-address=127.0.0.1", "--max-allowed-packet=64M"], port)
        client = ["mariadb", "--no-defaults", "--protocol=TCP", "-h", "127.0.0.1", "-P", way, "-u",
                  "root", "-BN", "--max-allowed-packet=64M"]
        await_true("mariadb reaches the database", lambda: subprocess.run(
            [*map(str, client), "-e", "SELECT 1"], capture_output=True, timeout=20).stdout == b"1\n")
        put = "CREATE DATABASE d; USE d; CREATE TABLE t (n int, b longblob);\n" + "".join(
            f"INSERT INTO t VALUES ({number}, x'{data}');\n" for number, data in rows())
        run(*client, text=put)
        got = run(*client, "-e", "SELECT n, LOWER(HEX(b)) FROM d.t ORDER BY n")
        self.assertEqual(got, "".join(f"{number}\t{data}\n" for number, data in rows()))
        large = run(*client, "-e", "SELECT REPEAT('0123456789', 1000000)")
        self.assertEqual(large, "0123456789" * 1000000 + "\n")


if __name__ == "__main__":
    unittest.main()
