#!/usr/bin/env bash
# Long runs with the real programs. Each prints "requests=N failed=M" and exits with 1 if M is not 0.
set -euo pipefail
usage() {
  cat <<'EOF'
usage: test/soak/run.sh NAME [SECONDS]

  rotations   both sidecars rotate as fast as a lifetime of seconds has it, under saturation;
              60 s by default, which is 300 rotations of each
  outage      the control plane is killed with -9 and comes back, again and again, under saturation;
              60 s by default

example: test/soak/run.sh rotations 600
EOF
}
case "${1:-}" in
  rotations | outage) ;;
  -h | --help) usage; exit 0 ;;
  *) usage >&2; exit 64 ;;
esac
cd "$(dirname "$0")"
exec python3 soak.py "$1" "${2:-60}"
