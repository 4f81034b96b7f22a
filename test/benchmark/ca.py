"""How many certificates a control plane issues per second of its own CPU time; see run.sh."""

import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test" / "integration"))

from mesh import Mesh  # noqa: E402

LOAD = ROOT / "bazel-bin" / "test" / "benchmark" / "ca_load"
CALLERS = 16
CONCURRENCY = 64


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main(seconds):
    with Mesh() as mesh:
        with open(mesh.control_plane_config, "a", encoding="utf-8") as config:
            config.write("issuance:\n  caller: {perSecond: 1000000, burst: 1000000, "
                         "concurrent: 10000}\n")
        mesh.start()
        tokens = []
        for i in range(CALLERS):
            tokens.append(mesh.directory / f"token-{i}")
            mesh.kithctl("token", "create", "--namespace", "bench", "--service-account",
                         f"caller-{i}", "--file", tokens[-1])

        def run(duration):
            done = subprocess.run(
                [LOAD, f"127.0.0.1:{mesh.port}", mesh.state / "root-cert.pem", str(duration),
                 str(CONCURRENCY), *tokens], capture_output=True, text=True)
            if done.returncode != 0:
                sys.exit(f"ca_load: {done.stderr}")
            return json.loads(done.stdout)

        run(1)  # Connections, caches.
        before = cpu_seconds(mesh.control_plane.pid)
        result = run(seconds)
        cpu = cpu_seconds(mesh.control_plane.pid) - before
        # Every one of them is in the audit log, whose chain holds.
        audit = mesh.kithctl("ca", "audit", "verify", mesh.state / "audit.jsonl")
    issued = result["issued"]
    per_core = issued / cpu
    print(f"issued {issued} in {result['seconds']:.1f} s with {cpu:.1f} s of the control plane's "
          f"CPU time; {audit['lines']} audited")
    print(f"signing {result['signature_us']:.0f} us of {1e6 * cpu / issued:.0f} us each: "
          f"{100 * result['signature_us'] * issued / 1e6 / cpu:.0f} %")
    print(f"certificates_per_second_per_core={per_core:.0f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
