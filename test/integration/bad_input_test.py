"""What a person gets wrong is answered with one line that says what and what to do, and an exit code;
a token that is not good is refused with its reason."""

import os
import pathlib
import socket
import subprocess
import tempfile
import unittest

from mesh import CONTROL_PLANE, KITHCTL, SIDECAR, Mesh, await_true, metric, request


def run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=30)
    return done.returncode, done.stderr.strip()


class BadInputTest(unittest.TestCase):
    def setUp(self):
        self.mesh = Mesh()
        self.addCleanup(self.mesh.__exit__, None)

    def one_line(self, code, text, *words):
        self.assertNotEqual(code, 0)
        lines = [line for line in text.splitlines() if '"level":"info"' not in line]
        self.assertEqual(len(lines), 1, text)
        for word in words:
            self.assertIn(word, lines[0])

    def test_missing_configuration_file(self):
        for program in (CONTROL_PLANE, SIDECAR):
            self.one_line(*run(program, "--config", "/nonexistent.yaml"), "/nonexistent.yaml")

    def test_unknown_and_malformed_fields_are_named_with_their_line(self):
        path = self.mesh.directory / "bad.yaml"
        path.write_text("workload:\n  name: a\n  nmespace: b\n")
        code, text = run(SIDECAR, "--config", path)
        self.one_line(code, text, "bad.yaml:3", "nmespace", "namespace")
        self.assertEqual(code, 65)
        path.write_text("stateDirectory: [1]\n")
        self.one_line(*run(CONTROL_PLANE, "--config", path), "bad.yaml:1", "stateDirectory")

    def test_port_that_is_taken(self):
        with socket.create_server(("127.0.0.1", self.mesh.port)):
            self.one_line(*run(CONTROL_PLANE, "--config", self.mesh.control_plane_config),
                          str(self.mesh.port), "in use")
        self.mesh.start()
        workload = self.mesh.add("a", inbound=[(1, "HTTP")], start=False)
        with socket.create_server(("127.0.0.1", workload.inbound[1])):
            self.one_line(*run(SIDECAR, "--config", workload.config_path),
                          str(workload.inbound[1]), "in use")

    def test_state_directory_that_cannot_be_made(self):
        text = self.mesh.control_plane_config.read_text().replace(
            str(self.mesh.state), "/proc/kith")
        self.mesh.control_plane_config.write_text(text)
        self.one_line(*run(CONTROL_PLANE, "--config", self.mesh.control_plane_config), "/proc/kith")

    def test_wrong_command_lines_exit_with_64(self):
        for program in (CONTROL_PLANE, SIDECAR, KITHCTL):
            code, text = run(program, "--no-such-flag")
            self.assertEqual(code, 64, program)
            self.assertIn("--help", text)
            self.assertEqual(run(program, "--help")[0], 0)

    def test_tokens_that_are_not_good_are_refused_with_their_reason(self):
        self.mesh.start()
        workload = self.mesh.add("a", inbound=[(1, "HTTP")], start=False)
        good = workload.token_path.read_text().strip()
        header, payload, signature = good.split(".")
        forged = ".".join((header, payload, signature[:-4] + "AAAA"))
        for bad in (forged, "nonsense", header + "." + payload + "."):
            workload.token_path.write_text(bad)
            before = metric(self.mesh.metrics_port, "kith_token_checks_total", result="failed")
            workload.start()
            await_true("the refusal is counted", lambda: metric(
                self.mesh.metrics_port, "kith_token_checks_total", result="failed") > before)
            self.assertEqual(request(workload.metrics_port, "/healthz/ready").status, 503)
            self.assertNotIn(bad if len(bad) > 20 else "\0", workload.process.log())
            # A good token in the same file heals it without a restart.
            workload.token_path.write_text(good)
            workload.await_ready()
            workload.process.end()

    def test_expired_token_is_refused(self):
        self.mesh.start()
        workload = self.mesh.add("a", inbound=[(1, "HTTP")], start=False)
        self.mesh.write_token(workload, ttl="1s")
        import time
        time.sleep(1.2)
        workload.start()
        await_true("the refusal is counted", lambda: metric(
            self.mesh.metrics_port, "kith_token_checks_total", result="failed", reason="expired") > 0
            or metric(self.mesh.metrics_port, "kith_token_checks_total", result="failed",
                      reason="token_expired") > 0)

    def test_a_workload_cannot_claim_another_service_account(self):
        self.mesh.start()
        workload = self.mesh.add("a", start=False, inbound=[(1, "HTTP")])
        other = self.mesh.add("b", start=False)
        workload.token_path.write_text(other.token_path.read_text())
        workload.start()
        await_true("the mismatch is said", lambda: "sa/a" in workload.process.log() and
                   "sa/b" in workload.process.log())
        self.assertEqual(request(workload.metrics_port, "/healthz/ready").status, 503)

    def test_secrets_are_never_logged_and_keys_are_private(self):
        self.mesh.start()
        workload = self.mesh.add("a", inbound=[(1, "HTTP")])
        token = workload.token_path.read_text().strip()
        for log in self.mesh.directory.glob("*.log"):
            text = log.read_text(errors="replace")
            self.assertNotIn(token, text)
            self.assertNotIn("PRIVATE KEY", text)
        self.assertEqual(os.stat(self.mesh.state).st_mode & 0o777, 0o700)
        keys = [p for p in pathlib.Path(self.mesh.state).rglob("*") if p.is_file()
                and "PRIVATE KEY" in p.read_text(errors="replace")]
        self.assertTrue(keys)
        for key in keys:
            self.assertEqual(os.stat(key).st_mode & 0o777, 0o600, key)
        for path in (self.mesh.socket, workload.socket, workload.token_path):
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o600, path)


if __name__ == "__main__":
    unittest.main()
