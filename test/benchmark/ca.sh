#!/usr/bin/env bash
# How many certificates the control plane issues per second and core, end to end.
set -euo pipefail
usage() {
  cat <<'EOF'
usage: test/benchmark/ca.sh [SECONDS]

64 requests at a time over gRPC with TLS, each with a token and a P-256 CSR, from 16 service
accounts; every certificate is in the audit log, on the disk, before it is answered. The figure is
certificates per second of the control plane's own CPU time (user and system), so that the load
generator beside it does not count. SECONDS is 10 by default.

Needs: bazel build //source/controlplane:kith-controlplane //source/ctl:kithctl \
         //test/benchmark:ca_load
EOF
}
case "${1:-}" in
  -h | --help) usage; exit 0 ;;
esac
cd "$(dirname "$0")"
exec python3 ca.py "${1:-10}"
