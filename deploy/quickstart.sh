#!/usr/bin/env bash
# Builds Kith, starts a small mesh on this machine and shows what it does.
set -euo pipefail

usage() {
  cat <<'EOF'
usage: deploy/quickstart.sh [--keep | --once | --stop]

Installs what is missing from Debian's packages, builds Kith, starts a control plane and three
services with their sidecars on 127.0.0.1, and walks through them in under two minutes. At the end,
or at Ctrl-C, everything it started is stopped.

  --keep   leave the mesh running afterwards, and print every address
  --stop   end a mesh that was left running
  --once   run without a terminal; exit code 1 if any step of the tour did not hold
  --help   this text

Everything it writes lies in .kith/ (KITH_STATE names another directory).

examples:
  deploy/quickstart.sh
  deploy/quickstart.sh --keep && bazel-bin/source/ctl/kithctl --help
EOF
}

ROOT=$(cd "$(dirname "$0")/.." && pwd)
STATE=${KITH_STATE:-$ROOT/.kith}
mode=tour
case "${1:-}" in
  '') ;;
  --keep | --once | --stop) mode=${1#--} ;;
  -h | --help) usage; exit 0 ;;
  *) usage >&2; exit 64 ;;
esac
if [ $# -gt 1 ]; then usage >&2; exit 64; fi

# shellcheck source=deploy/packages.sh
. "$ROOT/deploy/packages.sh"
# shellcheck source=deploy/demo/mesh.sh
. "$ROOT/deploy/demo/mesh.sh"
# shellcheck source=deploy/demo/tour.sh
. "$ROOT/deploy/demo/tour.sh"

if [ "$mode" = stop ]; then
  mesh_stop
  echo "the mesh is stopped; its files stay in $STATE"
  exit 0
fi

if [ -t 1 ] && [ "$mode" != once ] && [ -z "${NO_COLOR:-}" ]; then
  BOLD=$'\e[1m' DIM=$'\e[2m' GREEN=$'\e[32m' RED=$'\e[31m' PLAIN=$'\e[0m'
else
  BOLD='' DIM='' GREEN='' RED='' PLAIN=''
fi
say() { printf '%s\n' "${BOLD}==> $*${PLAIN}"; }

build() {
  local targets=(//source/controlplane:kith-controlplane //source/sidecar:kith-sidecar //source/ctl:kithctl)
  say "Building the three programs (some minutes the first time, seconds later)"
  cd "$ROOT"
  if [ -t 2 ]; then
    bazel build --show_result=0 "${targets[@]}"
    return
  fi
  # Without a terminal, a line every ten seconds says that it goes on.
  bazel build --show_result=0 --color=no --curses=no --show_progress_rate_limit=10 "${targets[@]}" \
    2> "$STATE/build.log" &
  local build=$! waited=0
  while kill -0 "$build" 2>/dev/null; do
    sleep 1
    waited=$((waited + 1))
    if [ $((waited % 10)) -eq 0 ]; then
      echo "    building, $waited s: $(grep -o '^\[[0-9,]* / [0-9,]*\]' "$STATE/build.log" | tail -n 1) actions"
    fi
  done
  if ! wait "$build"; then
    tail -n 30 "$STATE/build.log" >&2
    echo "the build failed; its whole output is in $STATE/build.log" >&2
    return 1
  fi
}

finish() {
  local status=$?
  trap - EXIT INT TERM
  if [ "$mode" = keep ] && [ "$status" -eq 0 ]; then
    say "The mesh goes on running"
    mesh_addresses
    echo "end it with: deploy/quickstart.sh --stop"
  else
    if [ -n "$LOAD" ]; then kill "$LOAD" 2>/dev/null || true; fi
    echo
    say "Stopping everything that was started"
    mesh_stop
  fi
  exit "$status"
}

mkdir -p "$STATE"
kith_install "${KITH_BUILD_PACKAGES[@]}" "${KITH_DEMO_PACKAGES[@]}"
kith_apt_lists
build

# A mesh left by --keep, or by a run that was killed, makes room for this one.
mesh_stop
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
say "Starting a control plane and three services with their sidecars"
mesh_start
tour
