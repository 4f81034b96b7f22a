#!/usr/bin/env bash
# What a pair of sidecars costs beside pairs of nginx and haproxy, in one run.
set -euo pipefail
usage() {
  cat <<'USAGE'
usage: test/benchmark/run.sh [--rounds N] [--seconds S] [--quick] [--json FILE]

Load through a pair of Kith sidecars, of nginx and of haproxy, configured as equals: mutual TLS 1.3
with AES-128-GCM and P-256 leaves, names verified both ways, keep-alive, one worker each, logs off. The
pair has one core, load and origin have another (for latency, all have one). Rounds are interleaved
(A B B A ...); a figure is the median of the rounds' ratios, with the spread of their middle half.
CPU is what the kernel has accounted to the pair's threads, user and system. Measured are HTTP/1.1 at
64 connections, HTTP/2, gRPC, opaque TCP, bodies of 1 MiB, one connection, full handshakes, the memory
of idle connections, of an idle process, and what is left after a burst.

  --rounds N    rounds of each system in each scenario (default 9)
  --seconds S   of load in each round (default 3)
  --quick       the same as --rounds 3 --seconds 1, with fewer idle connections
  --json FILE   write the figures there too; one that could not be taken is null, and the table
                says why

Installs what is missing of Debian's packages, and builds the programs if they are not built: to
measure a change, build it first. Run nothing else meanwhile.
USAGE
}
rounds=9 seconds=3 idle=2000 json=()
while [ $# -gt 0 ]; do
  case "$1" in
    --rounds) rounds=$2; shift 2 ;;
    --seconds) seconds=$2; shift 2 ;;
    --quick) rounds=3 seconds=1 idle=500; shift ;;
    --json) json=(--json "$(realpath -m "$2")"); shift 2 ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 64 ;;
  esac
done
cd "$(dirname "$0")/../.."
# shellcheck source=deploy/packages.sh
. deploy/packages.sh
kith_install "${KITH_BENCHMARK_PACKAGES[@]}"

targets=()
for target in source/sidecar:kith-sidecar source/controlplane:kith-controlplane \
  source/ctl:kithctl test/benchmark:origin test/benchmark:load; do
  [ -x "bazel-bin/${target/://}" ] || targets+=("//$target")
done
if [ "${#targets[@]}" -gt 0 ]; then
  kith_install "${KITH_BUILD_PACKAGES[@]}"
  kith_apt_lists
  bazel build "${targets[@]}"
fi
ulimit -n "$(ulimit -Hn)"
exec python3 test/benchmark/compare.py --rounds "$rounds" --seconds "$seconds" \
  --idle-connections "$idle" "${json[@]}"
