#!/usr/bin/env bash
# What a large cluster costs the control plane, and how soon a change reaches the sidecars.
set -euo pipefail
usage() {
  cat <<'USAGE'
usage: test/benchmark/kubernetes.sh [PODS [SERVICES [SIDECARS [CHANGES]]]]

A control plane beside an API server of the tests (test/integration/fake_kubernetes.py) with so many
pods, Services and EndpointSlices (10000, 2000). Then so many sidecars (200, of 15 to 18 MiB each), each
of which calls one Service of 20; and so many times (50) an EndpointSlice of one of these changes.
Printed are memory, the time to be ready, and the time from the API server's event until the control
plane has counted each sidecar's acknowledgement. All run on the same cores, the API server in Python:
their own time is in the figures. Ends only what it started.

Needs: bazel build //source/controlplane:kith-controlplane //source/sidecar:kith-sidecar //source/ctl:kithctl
USAGE
}
case "${1:-}" in
  -h | --help) usage; exit 0 ;;
esac
cd "$(dirname "$0")"
exec /usr/bin/python3 kubernetes_scale.py "$@"
