#!/usr/bin/env bash
# Fuzzes parsers for as long as asked, under AddressSanitizer and UndefinedBehaviorSanitizer, guided by
# what code an input reaches. The last line reads "N passed, M failed".
set -euo pipefail

usage() {
  cat <<'EOF'
usage: test/fuzz.sh [--seconds N] [--seed N] [--jobs N] [TARGET...]

  --seconds N   for each target (default 600)
  --seed N      of the mutations (default: another one each time; it is printed)
  --jobs N      so many targets at a time (default: one a core)
  TARGET        such as //test/http:http1_parser_fuzz (default: every fuzz target)

A crash prints the input in hexadecimal: make it a file of the target's corpus when it is mended.
Examples:
  test/fuzz.sh --seconds 60
  test/fuzz.sh --seconds 3600 //test/tls:client_hello_fuzz //test/http:http2_session_fuzz
EOF
}

cd "$(dirname "$0")/.."
seconds=600 seed=$(date +%s) jobs=$(nproc) targets=()
while [ $# -gt 0 ]; do
  case "$1" in
    --seconds) seconds=${2:?} && shift ;;
    --seed) seed=${2:?} && shift ;;
    --jobs) jobs=${2:?} && shift ;;
    -h | --help) usage; exit 0 ;;
    //*) targets+=("$1") ;;
    *) usage >&2; exit 64 ;;
  esac
  shift
done
if [ "${#targets[@]}" -eq 0 ]; then
  mapfile -t targets < <(bazel query 'filter("_fuzz$", kind(cc_test, //test/...))' 2>/dev/null)
fi
echo "seed $seed, $seconds s for each of ${#targets[@]} targets, $jobs at a time"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
bazel test --config=fuzz --keep_going --nocache_test_results --test_output=errors \
  --local_test_jobs="$jobs" --test_timeout="$((seconds + 300))" \
  --test_env=KITH_FUZZ_SECONDS="$seconds" --test_env=KITH_FUZZ_SEED="$seed" \
  "${targets[@]}" 2>&1 | tee "$log" || true
for target in "${targets[@]}"; do
  found=bazel-testlogs/$(tr : / <<< "${target#//}")/test.log
  printf '%-50s %s\n' "$target" "$(grep ' runs, ' "$found" | tail -n 1)"
done
passed=$(grep -c '^//.* PASSED' "$log" || true)
echo "$passed passed, $((${#targets[@]} - passed)) failed"
[ "$passed" -eq "${#targets[@]}" ]
