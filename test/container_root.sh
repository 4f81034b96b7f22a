#!/usr/bin/env bash
# Runs the programs in the root file system that deploy/container describes, without an engine.
set -euo pipefail

usage() {
  cat <<'USAGE'
usage: test/container_root.sh

Makes a Debian root with exactly the packages of deploy/container/packages.txt (mmdebstrap, from this
machine's own Debian sources), copies into it what the Dockerfile copies, and runs that in it as the
Dockerfile's user, with the root read-only, no capabilities and a network of its own: the control
plane, a sidecar that gets its identity from it, kithctl; and the capture rules, with NET_ADMIN. Takes
a minute. Needs root and the built programs (bazel-bin, or KITH_BIN). The last line reads
"N passed, M failed".
USAGE
}
case "${1:-}" in
  '') ;;
  -h | --help) usage; exit 0 ;;
  *) usage >&2; exit 64 ;;
esac

repository=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=deploy/packages.sh
. "$repository/deploy/packages.sh"
kith_install "${KITH_CONTAINER_PACKAGES[@]}"
kith_apt_lists

work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
root=$work/root context=$work/context

"$repository/deploy/container/context.sh" "$context"
dockerfile=$context/Dockerfile
# Debian's own sources of this machine, and no others.
# shellcheck disable=SC2016
apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' \
  'Created-By: Packages' 'Origin: Debian' | sort -u > "$work/sources.list"
if ! mmdebstrap --quiet --variant=minbase --include="$(paste -sd, "$context/packages.txt")" \
  bookworm "$root" "$work/sources.list" > "$work/root.log" 2>&1; then
  tail -n 20 "$work/root.log" >&2
  echo "the root could not be made; is there a network?" >&2
  exit 1
fi
while read -r _ files; do
  # shellcheck disable=SC2086
  set -- $files
  to=${!#}
  for file in "${@:1:$#-1}"; do
    if [ "$file" != packages.txt ]; then install -D -m 0755 "$context/$file" "$root$to$file"; fi
  done
done < <(grep '^COPY ' "$dockerfile")
user=$(sed -n 's/^USER \([0-9]*\):.*/\1/p' "$dockerfile")
mkdir -p "$root/var/lib/kith"

cat > "$root/inside.sh" <<'INSIDE'
# Runs in the image's root; $1 is its user.
set -u
work=/var/lib/kith passed=0 failed=0
as_user=(setpriv --reuid "$1" --regid "$1" --clear-groups --no-new-privs --bounding-set -all
  --inh-caps -all)
check() {  # check NAME COMMAND...
  if "${@:2}" > "$work/output" 2>&1; then
    passed=$((passed + 1)) && echo "PASS  $1"
  else
    failed=$((failed + 1)) && echo "FAIL  $1"
    tail -n 5 "$work"/output "$work"/*.log 2>/dev/null
  fi
}
answers() {  # answers COMMAND...: until it does, for 15 s
  for _ in $(seq 150); do
    if "$@"; then return 0; fi
    sleep 0.1
  done
  return 1
}
refuses() { ! "$@"; }

ip link set lo up
# A way out, without which there is nothing to redirect.
ip link add eth0 type veth peer name eth1
ip link set eth1 up
ip link set eth0 up
ip address add 10.0.0.2/24 dev eth0
ip address add fd00::2/64 dev eth0 nodad
ip route add default via 10.0.0.1
ip -6 route add default via fd00::1
check "kith-sidecar starts" "${as_user[@]}" kith-sidecar --version
check "kith-controlplane starts" "${as_user[@]}" kith-controlplane --version
check "kithctl starts" "${as_user[@]}" kithctl version
check "the root is read-only" refuses touch /usr/local/bin/anything

cat > "$work/controlplane.yaml" <<'YAML'
stateDirectory: /var/lib/kith/state
address: 127.0.0.1:15012
monitoringAddress: 127.0.0.1:15014
registry: {directory: /var/lib/kith/registry}
YAML
cat > "$work/sidecar.yaml" <<'YAML'
workload: {name: one, namespace: demo, serviceAccount: one}
controlPlane:
  address: 127.0.0.1:15012
  serverName: kith-controlplane
  trustBundleFile: /var/lib/kith/state/root-cert.pem
  tokenFile: /var/lib/kith/token
outbound: [{bind: "127.0.0.1:9001", service: x.demo.svc.cluster.local, port: 80}]
admin: {socket: /var/lib/kith/sidecar.sock}
observability: {address: "127.0.0.1:15020"}
YAML
mkdir "$work/registry"
chown -R "$1:$1" "$work"

"${as_user[@]}" kith-controlplane --config "$work/controlplane.yaml" > "$work/plane.log" 2>&1 &
plane=$!
ctl=("${as_user[@]}" kithctl --control-plane "$work/state/admin.sock")
check "the control plane serves" answers "${ctl[@]}" status
check "kithctl makes a token" "${ctl[@]}" token create --namespace demo --service-account one --file "$work/token"
"${as_user[@]}" kith-sidecar --config "$work/sidecar.yaml" > "$work/sidecar.log" 2>&1 &
sidecar=$!
check "the sidecar gets its identity" "${as_user[@]}" kith-sidecar wait --timeout 15
check "kithctl shows its certificate" "${as_user[@]}" kithctl certs show --sidecar "$work/sidecar.sock"
check "names are looked up" getent hosts localhost
kill "$sidecar" && check "the sidecar ends" wait "$sidecar"
kill "$plane" && check "the control plane ends" wait "$plane"

for backend in nft iptables-nft iptables-legacy; do
  check "capture by $backend is applied" kith-sidecar capture apply --backend "$backend"
  check "capture by $backend works" kith-sidecar capture check --timeout 2
  check "capture by $backend is removed" kith-sidecar capture remove
done
check "the manifests of an installation are printed" "${as_user[@]}" kithctl install --namespace kith-system
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
INSIDE

# Its own network, mounts and processes: what it starts ends with it.
unshare --net --mount --pid --fork --kill-child bash -euc '
  mount --bind "$0" "$0"
  mount -o remount,bind,ro "$0"
  mount -t proc proc "$0/proc"
  mount -t tmpfs tmpfs "$0/tmp"
  mount -t tmpfs tmpfs "$0/run"
  mount -t tmpfs tmpfs "$0/var/lib/kith"
  exec chroot "$0" bash /inside.sh "$1"
' "$root" "$user"
