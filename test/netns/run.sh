#!/usr/bin/env bash
# Captured traffic between hosts that are network namespaces. Needs root and the built programs.
set -euo pipefail

usage() {
  cat <<'EOF'
usage: test/netns/run.sh

Makes five network namespaces, a mesh in them, and checks what captured connections do; a line per
case, the last line reads "N passed, M failed". test/run.sh runs it too.
EOF
}

case "${1:-}" in
  '') ;;
  -h | --help) usage; exit 0 ;;
  *) usage >&2; exit 64 ;;
esac

cd "$(dirname "$0")/../.."
# shellcheck source=deploy/packages.sh
. deploy/packages.sh
kith_install "${KITH_BUILD_PACKAGES[@]}" "${KITH_TEST_PACKAGES[@]}"
kith_apt_lists
bazel build --color=no --curses=no --show_result=0 \
  //source/controlplane:kith-controlplane //source/sidecar:kith-sidecar //source/ctl:kithctl
counts=$(python3 test/integration/run.py "$PWD"/test/netns/*_test.py | tee /dev/stderr | tail -n 1)
echo "${counts% *} passed, ${counts#* } failed"
[ "${counts#* }" -eq 0 ]
