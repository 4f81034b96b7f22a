#!/usr/bin/env bash
# The quickstart's tour must hold (exit code 0), and must notice when a promise is broken by hand: with
# a policy that lets the intruder in, it exits with 1.
set -euo pipefail
cd "$(dirname "$0")/.."
KITH_STATE=$(mktemp -d)
export KITH_STATE
trap 'deploy/quickstart.sh --stop > /dev/null; rm -rf "$KITH_STATE"' EXIT

if ! deploy/quickstart.sh --once > "$KITH_STATE/tour.txt" 2>&1; then
  cat "$KITH_STATE/tour.txt"
  echo "the tour did not hold" >&2
  exit 1
fi
grep -o 'requests=[0-9]* failed=[0-9]*' "$KITH_STATE/tour.txt"

sed -i 's|\["cluster.local/ns/demo/sa/frontend"\]|["*"]|' "$KITH_STATE/config/policies.yaml"
status=0
deploy/quickstart.sh --once > "$KITH_STATE/broken.txt" 2>&1 || status=$?
if [ "$status" -ne 1 ] || ! grep -q 'NOT AS PROMISED' "$KITH_STATE/broken.txt"; then
  tail -n 40 "$KITH_STATE/broken.txt"
  echo "a broken promise was not noticed (exit code $status)" >&2
  exit 1
fi
