#!/usr/bin/env bash
# CPU time per request of a pair of sidecars beside a pair of nginx, in one run.
set -euo pipefail
usage() {
  cat <<'EOF'
usage: test/benchmark/run.sh [--rounds N] [--seconds S] [--json FILE]

HTTP/1.1 with keep-alive, 64 connections, bodies of 104 bytes; both pairs with mutual TLS 1.3,
AES-128-GCM, P-256 leaves of one authority, names verified both ways, one worker, logs off. Rounds
are interleaved (A B B A ...); the figure is the median of the per-round ratios of CPU time per
request (user and system, of the pair alone), with the spread of its middle half.

  --rounds N    rounds of each (default 9)
  --seconds S   of load in each round (default 4)
  --json FILE   write the figures there too

The programs must be built: bazel build //source/... (deploy/quickstart.sh does).
EOF
}
rounds=9 seconds=4 json=
while [ $# -gt 0 ]; do
  case "$1" in
    --rounds) rounds=$2; shift 2 ;;
    --seconds) seconds=$2; shift 2 ;;
    --json) json=$(realpath -m "$2"); shift 2 ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 64 ;;
  esac
done
cd "$(dirname "$0")"
exec python3 compare.py "$rounds" "$seconds" "$json"
