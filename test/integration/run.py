#!/usr/bin/env python3
"""Runs the integration scenarios, each file in a process of its own, and prints a line per case.

usage: run.py [NAME|FILE...]      the last line reads "PASSED FAILED"
NAME is a file here without "_test.py". Without one, all run but those that need large packages
(real_databases).
Needs the three programs built (bazel-bin/source, or KITH_BIN).
"""

import pathlib
import re
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
NETNS = HERE.parent / "netns"  # Needs root.
PYTHON = "/usr/bin/python3"  # Debian's, which has the modules that deploy/packages.sh installs.
BY_NAME_ONLY = {"real_databases_test"}
# unittest -v writes "test_x (module.Class.test_x) ... ok", the result perhaps some lines later.
CASE = re.compile(r"^(test_\w+) \([\w.]+\)")
RESULT = re.compile(r"\b(ok|FAIL|ERROR)$")


def run(path):
    """(passed, failed) of one file."""
    started = time.monotonic()
    try:
        done = subprocess.run([PYTHON, "-m", "unittest", "-v", path.stem], cwd=path.parent,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=900)
        output, code = done.stdout, done.returncode
    except subprocess.TimeoutExpired as error:
        output, code = (error.stdout or b"").decode(errors="replace"), 1
    passed = failed = 0
    case = None
    for line in output.splitlines():
        if match := CASE.match(line):
            case = match.group(1)
        if case and (result := RESULT.search(line)):
            good = result.group(1) == "ok"
            print(f"{'PASS' if good else 'FAIL'}  {path.parent.name}/{path.stem}: "
                  f"it {case[5:].replace('_', ' ')}", flush=True)
            passed, failed = passed + good, failed + (not good)
            case = None
    if code != 0 and failed == 0:
        print(f"FAIL  {path.parent.name}/{path.stem} (exit code {code})", flush=True)
        failed = 1
    if failed:
        print(output)
    print(f"      {path.stem}: {time.monotonic() - started:.0f} s", flush=True)
    return passed, failed


def find(name):
    named = HERE / f"{name}_test.py"
    return named if named.exists() else pathlib.Path(name).resolve()


def main():
    everything = [path for where in (HERE, NETNS) for path in sorted(where.glob("*_test.py"))]
    paths = [find(name) for name in sys.argv[1:]] or [
        path for path in everything if path.stem not in BY_NAME_ONLY]
    results = [run(path) for path in paths]
    print(sum(r[0] for r in results), sum(r[1] for r in results))


if __name__ == "__main__":
    main()
