#!/usr/bin/env bash
# Long runs with the real programs. Each prints "requests=N failed=M" last, and exits with 1 if M is
# not 0 or if it did not show what it is there to show.
set -euo pipefail
usage() {
  cat <<'EOF'
usage: test/soak/run.sh NAME [SECONDS] [COUNT]

  rotations   frontend and backend rotate under saturation: on demand, and by a lifetime of 10 s.
              60 s by default; with COUNT, both must have rotated at least so often at the end
  root        the root of the mesh is replaced, again and again, while four pairs of sidecars are
              saturated; then COUNT handshakes (10000 by default) with a leaf of the first root are
              tried, and with sessions from before. 60 s by default
  outage      the control plane is killed with -9 for 0.6 of a lifetime, over a renewal, again and
              again, under saturation; then once past the end of every certificate, with the wire
              between the sidecars recorded. 60 s by default
  stampede    COUNT sidecar identities (500 by default); the control plane is killed and restarted:
              requests are certificates issued, failed are seconds with more than twice the steady
              rate. 120 s by default
  flips       policies change COUNT times (100 by default) under saturation: failed are answers that
              neither the old nor the new ones give. 60 s by default
  bypass      COUNT mutated requests (100000 by default) for what a DENY policy keeps, to nginx,
              Apache and Node: failed are those that read it. SECONDS is not looked at

examples: test/soak/run.sh rotations 600 1000
          test/soak/run.sh root 120
EOF
}
case "${1:-}" in
  rotations | root | outage | flips | bypass) ;;
  stampede)
    (cd "$(dirname "$0")/../.." && bazel build //test/soak:stampede_clients) ;;
  -h | --help) usage; exit 0 ;;
  *) usage >&2; exit 64 ;;
esac
cd "$(dirname "$0")"
exec python3 soak.py "$@"
