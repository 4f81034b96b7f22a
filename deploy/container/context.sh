#!/bin/bash
# Gathers what the image is built from.
# usage: context.sh DIRECTORY      the programs must have been built (bazel-bin, or KITH_BIN)
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
bin=${KITH_BIN:-$here/../../bazel-bin/source}
to=${1:?usage: context.sh DIRECTORY}

mkdir -p "$to"
cp "$here/Dockerfile" "$here/packages.txt" "$to/"
for program in sidecar/kith-sidecar controlplane/kith-controlplane ctl/kithctl; do
  install -m 0755 "$bin/$program" "$to/"
done
