"""What the kernel knows of processes (CPU time, memory, cores), and the load generators' figures."""

import os
import pathlib
import re
import statistics
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOLS = pathlib.Path(os.environ.get("KITH_BENCHMARK_TOOLS",
                                    ROOT / "bazel-bin" / "test" / "benchmark"))
CORES = sorted(os.sched_getaffinity(0))
# The measured pair has one core for itself; load and origin share the other.
PAIR_CORE, LOAD_CORE = CORES[0], CORES[-1]


def family(pid):
    """The process and its children (nginx and haproxy have a master and a worker)."""
    pids = [pid]
    for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        pids += family(int(child))
    return pids


def cpu_seconds(pids):
    """Time on a core of every thread of these processes, to the nanosecond."""
    spent = 0
    for pid in pids:
        for thread in pathlib.Path(f"/proc/{pid}/task").iterdir():
            spent += int((thread / "schedstat").read_text().split()[0])
    return spent / 1e9


def pin(pids, core):
    for pid in pids:
        for thread in pathlib.Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), {core})


def memory_kib(pid):
    """(resident, private) of a process."""
    sizes = {}
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, size = line.split()[:2]
        sizes[name.rstrip(":")] = int(size)
    return sizes["Rss"], sizes["Private_Clean"] + sizes["Private_Dirty"]


def run(core, *command, timeout=120):
    done = subprocess.run(["taskset", "--cpu-list", str(core), *map(str, command)],
                          capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


class Outcome:
    """Of one run of a load generator."""

    def __init__(self, done, seconds, failed, p50_us=None):
        self.done, self.seconds, self.failed, self.p50_us = done, seconds, failed, p50_us


def wrk(port, connections, seconds, path="/", core=LOAD_CORE):
    output = run(core, "wrk", "--threads", 1, "--connections", connections, "--duration",
                 f"{seconds}s", "--timeout", "5s", "--latency", f"http://127.0.0.1:{port}{path}")
    requests, elapsed = re.search(r"(\d+) requests in ([\d.]+)s", output).groups()
    failed = sum(int(n) for n in re.findall(r"Non-2xx or 3xx responses: (\d+)", output))
    for errors in re.findall(r"Socket errors: (.*)", output):
        failed += sum(int(n) for n in re.findall(r"\d+", errors))
    value, unit = re.search(r"50%\s+([\d.]+)(us|ms|s)", output).groups()
    p50 = float(value) * {"us": 1, "ms": 1e3, "s": 1e6}[unit]
    return Outcome(int(requests), float(elapsed), failed, p50)


def h2load(port, seconds, *extra, connections=8, streams=8):
    output = run(LOAD_CORE, "h2load", "--clients", connections, "--max-concurrent-streams",
                 streams, "--duration", seconds, *extra, f"http://127.0.0.1:{port}/")
    counts = re.search(r"requests: \d+ total, \d+ started, (\d+) done, \d+ succeeded, (\d+) failed, "
                       r"(\d+) errored, (\d+) timeout", output)
    assert counts, f"h2load said: {output}"
    done, failed, errored, timeout = map(int, counts.groups())
    codes = re.search(r"status codes: \d+ 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", output)
    return Outcome(done, seconds, failed + errored + timeout + sum(map(int, codes.groups())))


def tcp_load(kind, port, connections, seconds):
    output = run(LOAD_CORE, TOOLS / "load", kind, port, connections, seconds)
    done, elapsed, failed = re.match(r"exchanges (\d+) seconds ([\d.]+) failed (\d+)",
                                     output).groups()
    return Outcome(int(done), float(elapsed), int(failed))


class IdleConnections:
    """Connections that have carried one exchange and are held until close()."""

    def __init__(self, port, count):
        self._process = subprocess.Popen([str(TOOLS / "load"), "idle", str(port), str(count)],
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = self._process.stdout.readline()
        match = re.match(r"exchanges (\d+) .* failed (\d+)", line)
        if match is None or int(match.group(1)) != count or int(match.group(2)) != 0:
            self.close()
            raise AssertionError(f"{count} idle connections: {line.strip()}")

    def close(self):
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


def spread(values):
    """The middle half of some values; all of few."""
    if len(values) < 4:
        return min(values), max(values)
    low, _, high = statistics.quantiles(values, n=4)
    return low, high
