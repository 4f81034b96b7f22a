#!/usr/bin/env bash
# Installs, builds and runs every test. The last line reads "N passed, M failed".
set -euo pipefail

usage() {
  cat <<'EOF'
usage: test/run.sh [--config=asan|ubsan|tsan] [--unit] [BAZEL_TARGET...]

  --config=NAME   build and run the tests of the code under that sanitizer
  --unit          only the tests that need no running mesh
  BAZEL_TARGET    only these, e.g. //test/http/...

Without arguments: formatting, static checks, unit tests, fuzz targets in short form, and the
integration tests with the real programs. Exit code 1 if anything failed.
EOF
}

ROOT=$(cd "$(dirname "$0")/.." && pwd)
cd "$ROOT"
config='' unit_only=no targets=()
for argument in "$@"; do
  case "$argument" in
    --config=asan | --config=ubsan | --config=tsan) config=$argument unit_only=yes ;;
    --unit) unit_only=yes ;;
    -h | --help) usage; exit 0 ;;
    //*) targets+=("$argument") unit_only=yes ;;
    *) usage >&2; exit 64 ;;
  esac
done

# shellcheck source=deploy/packages.sh
. deploy/packages.sh
kith_install "${KITH_BUILD_PACKAGES[@]}" "${KITH_DEMO_PACKAGES[@]}" "${KITH_TEST_PACKAGES[@]}"
kith_apt_lists

passed=0 failed=0
record() {  # record STATUS NAME
  if [ "$1" -eq 0 ]; then
    passed=$((passed + 1))
    printf 'PASS  %s\n' "$2"
  else
    failed=$((failed + 1))
    printf 'FAIL  %s\n' "$2"
  fi
}
run() {  # run NAME COMMAND...: one test that is a program of its own.
  local name=$1 status=0
  shift
  "$@" || status=$?
  record "$status" "$name"
}

bazel_flags=(--color=no --curses=no --show_progress_rate_limit=30)
if [ -n "$config" ]; then bazel_flags+=("$config"); fi

# Runs the tests Bazel knows and counts their cases, from the XML that GoogleTest writes.
run_bazel_tests() {
  local status=0 log
  log=$(mktemp)
  bazel test "${bazel_flags[@]}" --keep_going --test_summary=short "$@" > "$log" 2>&1 || status=$?
  grep -v -E '^(Loading|Analyzing|INFO: From|\[[0-9,]+ / )' "$log" | tail -n 120 || true
  local counts
  counts=$(python3 test/count_cases.py "$log" "$ROOT/bazel-testlogs")
  rm -f "$log"
  passed=$((passed + ${counts% *}))
  failed=$((failed + ${counts#* }))
  # A target that could not be built has no cases to count.
  if [ "$status" -ne 0 ] && [ "${counts#* }" -eq 0 ]; then record 1 "bazel test (exit code $status)"; fi
}

run_integration_tests() {
  local log counts
  log=$(mktemp)
  python3 test/integration/run.py | tee "$log"
  counts=$(tail -n 1 "$log")
  rm -f "$log"
  passed=$((passed + ${counts% *}))
  failed=$((failed + ${counts#* }))
}

if [ "$unit_only" = no ]; then
  run "formatting" test/check_format.sh
fi
if [ "${#targets[@]}" -gt 0 ]; then
  run_bazel_tests "${targets[@]}"
else
  run_bazel_tests //test/...
fi
if [ "$unit_only" = no ]; then
  bazel build "${bazel_flags[@]}" --show_result=0 \
    //source/controlplane:kith-controlplane //source/sidecar:kith-sidecar //source/ctl:kithctl
  run "static checks of the newest commit" test/check_tidy.sh --newest
  run "hidden symbols of the TLS library" test/check_symbols.sh
  run_integration_tests
  run "the quickstart's tour holds, and notices a broken promise" test/check_quickstart.sh
fi

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
