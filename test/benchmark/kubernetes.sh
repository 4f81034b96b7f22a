#!/usr/bin/env bash
# What a large cluster costs the control plane, and how soon a change reaches the sidecars.
set -euo pipefail
usage() {
  cat <<'USAGE'
usage: test/benchmark/kubernetes.sh [PODS [SERVICES [SIDECARS [CHANGES]]]]

A control plane beside an API server of the tests (test/integration/fake_kubernetes_scale.py) with so many
pods, Services and EndpointSlices (10000, 2000). Then so many discovery clients (200), which speak what
sidecars speak and acknowledge at once, subscribe to one Service each of 20; and so many times (50) an
EndpointSlice of one of these changes. Printed are the control plane's memory and time to be ready, and
the time from the API server's event to each client's acknowledgement. Clients and API server run on the
same cores, in Python: their own time is in the figures.

Needs: bazel build //source/controlplane:kith-controlplane //source/ctl:kithctl
USAGE
}
case "${1:-}" in
  -h | --help) usage; exit 0 ;;
esac
cd "$(dirname "$0")"
exec /usr/bin/python3 kubernetes_scale.py "$@"
