# Installs what a task needs from Debian's packages, and only what is missing.
# Sourced by deploy/quickstart.sh and test/run.sh.

# Bazel keeps its output under it, and some environments leave it out.
export HOME=${HOME:-/root}

# To build the three programs.
KITH_BUILD_PACKAGES=(
  bazel-bootstrap bazel-platforms bazel-rules-java bazel-rules-proto default-jdk-headless
  g++ dpkg-dev ca-certificates xz-utils
  libabsl-dev libcli11-dev libgrpc++-dev libnghttp2-dev libprotobuf-dev libspdlog-dev libfmt-dev
  libuv1-dev libyaml-cpp-dev nlohmann-json3-dev protobuf-compiler protobuf-compiler-grpc
)
# To run the demonstration mesh and its tour.
KITH_DEMO_PACKAGES=(curl jq nginx-light openssl wrk)
# To run the tests on top of both.
KITH_TEST_PACKAGES=(
  apache2 binutils clang-format-14 clang-tidy-14 curl faketime golang-go haproxy iproute2 iptables
  libbenchmark-dev libgmock-dev libgtest-dev nftables nghttp2-client nginx-light nodejs openssl python3
  python3-cryptography python3-grpcio python3-jsonpatch python3-jsonschema python3-kubernetes
  python3-protobuf python3-yaml
  tcpdump
)

# To run the programs in the container image's root (test/container_root.sh).
KITH_CONTAINER_PACKAGES=(mmdebstrap iproute2 util-linux)
# To compare with the proxies people use today (test/benchmark/run.sh).
KITH_BENCHMARK_PACKAGES=(
  haproxy libnginx-mod-stream nghttp2-client nginx-light openssl python3 util-linux wrk
)

# Package scripts start services where an init system runs; the project starts its own servers, with
# its own configuration, and leaves the machine's alone.
kith_without_services() {
  local policy=/usr/sbin/policy-rc.d made=no status=0
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod 0755 "$policy"
    made=yes
  fi
  "$@" || status=$?
  if [ "$made" = yes ]; then rm -f "$policy"; fi
  return "$status"
}

# kith_install PACKAGE...: says what it does, and nothing when there is nothing to do.
kith_install() {
  local missing=() package log
  for package in "$@"; do
    dpkg-query --show --showformat='${db:Status-Status}\n' "$package" 2>/dev/null |
      grep -qx installed || missing+=("$package")
  done
  if [ "${#missing[@]}" -eq 0 ]; then return 0; fi
  if [ "$(id -u)" -ne 0 ]; then
    echo "these Debian packages are missing, and installing them needs root: ${missing[*]}" >&2
    return 1
  fi
  echo "installing ${#missing[@]} packages from Debian: ${missing[*]}"
  log=$(mktemp)
  if ! { DEBIAN_FRONTEND=noninteractive apt-get -q update &&
         kith_without_services env DEBIAN_FRONTEND=noninteractive \
           apt-get -q -y install --no-install-recommends "${missing[@]}"; } > "$log" 2>&1; then
    tail -n 30 "$log" >&2
    rm -f "$log"
    echo "installing packages failed; is there a network, and are Debian's sources configured?" >&2
    return 1
  fi
  rm -f "$log"
}

# The source of BoringSSL comes through apt, whose lists must be there even if nothing is missing.
kith_apt_lists() {
  [ -n "$(apt-get indextargets --format '$(FILENAME)' 'Created-By: Packages' 2>/dev/null |
    while read -r file; do ls "${file%.*}"* 2>/dev/null; done)" ] && return 0
  DEBIAN_FRONTEND=noninteractive apt-get -q update > /dev/null
}
