#!/usr/bin/env bash
# clang-tidy over source/ with the checks of .clang-tidy: a finding is a failure. Needs a build, for
# BoringSSL's headers. Files may be named; without, all are checked, which takes an hour of two cores.
# --newest checks those of the newest commit: the short form that test/run.sh runs.
set -euo pipefail
cd "$(dirname "$0")/.."

generated=$(mktemp -d)
trap 'rm -rf "$generated"' EXIT
find api -name '*.proto' -printf '%P\n' | xargs protoc -I api -I /usr/include \
  --cpp_out="$generated" --plugin=protoc-gen-grpc=/usr/bin/grpc_cpp_plugin --grpc_out="$generated"

boringssl=$(bazel info output_base 2>/dev/null)/external/boringssl/src/include
if [ ! -d "$boringssl" ]; then
  echo "BoringSSL's headers are missing; build something first" >&2
  exit 1
fi
flags=(-std=c++20 -I. -isystem "$generated" -isystem "$boringssl" -DSPDLOG_COMPILED_LIB
  -DSPDLOG_FMT_EXTERNAL)

if [ "${1:-}" = --newest ]; then
  mapfile -t files < <(git diff --name-only --diff-filter=AM HEAD^ HEAD -- 'source/*.cc' 2>/dev/null)
  if [ "${#files[@]}" -eq 0 ]; then exit 0; fi
  set -- "${files[@]}"
elif [ $# -eq 0 ]; then
  mapfile -t files < <(find source -name '*.cc')
  set -- "${files[@]}"
fi
# One file a process: a finding in it is an exit code, and xargs turns any into 123.
printf '%s\0' "$@" | xargs --null --max-procs="$(nproc)" --replace={} \
  sh -c 'file=$1; shift; clang-tidy-14 --quiet "$file" -- "$@" 2>/dev/null' tidy {} "${flags[@]}"
