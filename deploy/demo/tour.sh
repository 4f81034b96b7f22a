# The tour: five steps, each shown with its commands and checked. Sourced by deploy/quickstart.sh.

FAILED_STEPS=0
LOAD=  # The load generator while it runs, for whoever must end it early.

step() { printf '\n%s\n' "${BOLD}$*${PLAIN}"; }
# Runs a command line after printing it: what is shown is what was run, and can be typed again from
# the root of the tree.
show() {
  printf '%s\n' "${DIM}\$ $1${PLAIN}"
  (cd "$ROOT" && eval "$1")
}
# A path as seen from the root of the tree.
short() { printf '%s' "${1#"$ROOT"/}"; }
holds() { printf '%s\n' "${GREEN}ok${PLAIN}  $*"; }
broken() {
  printf '%s\n' "${RED}NOT AS PROMISED${PLAIN}  $*"
  FAILED_STEPS=$((FAILED_STEPS + 1))
}

# check WHAT COMMAND...: one promise.
check() {
  local what=$1
  shift
  if "$@" > /dev/null 2>&1; then holds "$what"; else broken "$what"; fi
}

fetch() { show "curl --silent --write-out '\\nstatus %{http_code}\\n' http://127.0.0.1:$1/"; }
status_is() { [ "$(curl --silent --max-time 5 --output /dev/null --write-out '%{http_code}' "http://127.0.0.1:$1/")" = "$2" ]; }
serial_of() { kithctl -o json certs show --sidecar "$(sidecar_socket "$1")" | jq -r '.chain[0].serial'; }
# The serial a sidecar presents on the wire, as lower-case hex without leading zeros.
handshake_line() { echo "openssl s_client -connect 127.0.0.1:$(inbound_port "$1") < /dev/null 2> /dev/null | openssl x509 -noout -serial"; }
served_serial() { (set +o pipefail; eval "$(handshake_line "$1")" | sed 's/^serial=0*//' | tr 'A-F' 'a-f'); }
# The newest line of a service's access log that jq's filter accepts; lines are written within a second.
logged() {
  local service=$1 filter=$2 tries line
  for tries in $(seq 1 40); do
    line=$(tail -n 200 "$STATE/$service/access.log" 2>/dev/null | jq -c "select($filter)" 2>/dev/null | tail -n 1)
    if [ -n "$line" ]; then
      echo "$line"
      return 0
    fi
    sleep 0.1
  done
  return 1
}

tour_identities() {
  local service socket kithctl
  kithctl=$(short "$BIN/ctl/kithctl")
  step "1. Who is who: every workload has a short-lived certificate with its SPIFFE ID"
  show "$kithctl status --control-plane $(short "$CONTROL_PLANE_SOCKET")"
  show "$kithctl certs show --sidecar $(short "$(sidecar_socket backend)")"
  for service in "${SERVICES[@]}"; do
    socket=$(sidecar_socket "$service")
    check "$service presents a valid certificate for spiffe://cluster.local/ns/demo/sa/$service" \
      test "$(kithctl -o json certs show --sidecar "$socket" |
        jq -r '.spiffeId, (.chain[0].notAfter | sub("\\.[0-9]+"; "") | fromdate > now)' | paste -sd' ')" = \
      "spiffe://cluster.local/ns/demo/sa/$service true"
  done
}

tour_allowed() {
  step "2. A request from the frontend reaches the backend over mutual TLS"
  fetch "$(backend_via frontend)"
  check "the backend answered 200" status_is "$(backend_via frontend)" 200
  echo "    what the backend's sidecar wrote of it:"
  local line
  line=$(logged backend '.decision == "allowed"') || true
  printf '%s\n' "$line" | jq . 2>/dev/null || true
  check "it came over mutual TLS from spiffe://cluster.local/ns/demo/sa/frontend" \
    jq -e '.source.principal == "spiffe://cluster.local/ns/demo/sa/frontend" and (.tls.version | startswith("TLS"))' \
    <<< "$line"
}

tour_refused() {
  step "3. The same request from the intruder is refused"
  fetch "$(backend_via intruder)"
  check "the intruder got 403" status_is "$(backend_via intruder)" 403
  echo "    why, from the backend's sidecar (the answer itself does not say):"
  local line
  line=$(logged backend '.decision == "denied"') || true
  printf '%s\n' "$line" | jq '{source, destination, method, path, decision, reason, detail}' 2>/dev/null || true
  echo "    the policy, in $STATE/config/policies.yaml:"
  sed -n '/kind: AuthorizationPolicy/,$p' "$STATE/config/policies.yaml" | sed 's/^/    /'
  check "the log names the intruder and the policy that does not let it in" \
    jq -e '.source.principal == "spiffe://cluster.local/ns/demo/sa/intruder" and
      .reason == "policy_denied" and (.detail | contains("demo/backend-readers"))' <<< "$line"
  check "plaintext straight to the backend's sidecar is refused" \
    test "$(curl --silent --max-time 5 --output /dev/null --write-out '%{http_code}' "http://127.0.0.1:$(inbound_port backend)/")" = 000
}

tour_rotation() {
  local service rotation before=() after=() loaded requests errors kithctl
  kithctl=$(short "$BIN/ctl/kithctl")
  step "4. Certificates are rotated under load, and no request fails"
  for service in frontend backend; do before+=("$(serial_of "$service")"); done
  printf '%s\n' "${DIM}\$ wrk --threads 1 --connections 32 --duration 15s http://127.0.0.1:$(backend_via frontend)/ &${PLAIN}"
  wrk --threads 1 --connections 32 --duration 15s "http://127.0.0.1:$(backend_via frontend)/" > "$STATE/wrk.txt" 2>&1 &
  LOAD=$!
  for rotation in 1 2 3 4 5; do
    sleep 2
    for service in frontend backend; do
      show "$kithctl certs rotate --sidecar $(short "$(sidecar_socket "$service")")" ||
        broken "rotation $rotation of $service"
    done
  done
  wait "$LOAD" || broken "the load generator failed"
  LOAD=
  cat "$STATE/wrk.txt"
  for service in frontend backend; do after+=("$(serial_of "$service")"); done
  loaded=$(sed -n 's/^ *\([0-9]*\) requests in .*/\1/p' "$STATE/wrk.txt")
  errors=$(sed -n -e 's/^ *Non-2xx or 3xx responses: \([0-9]*\)/\1/p' \
    -e 's/^ *Socket errors: connect \([0-9]*\), read \([0-9]*\), write \([0-9]*\), timeout \([0-9]*\)/\1 \2 \3 \4/p' \
    "$STATE/wrk.txt" | tr ' ' '\n' | awk '{ sum += $1 } END { print sum + 0 }')
  requests=${loaded:-0}
  printf '%s\n' "${BOLD}requests=$requests failed=$errors${PLAIN} during 5 rotations on each side"
  check "at least 1000 requests were made and 0 failed" test "$requests" -ge 1000 -a "$errors" -eq 0
  check "both sides have new serials" test "${before[0]}" != "${after[0]}" -a "${before[1]}" != "${after[1]}"
  # The backend refuses a client without a certificate, but only after it has shown its own.
  show "$(handshake_line backend)" || true
  check "a new handshake with the backend shows its new serial" \
    test "$(served_serial backend)" = "$(sed 's/^0*//' <<< "${after[1]}")"
}

tour_metrics() {
  local metrics
  step "5. Prometheus sees all of it"
  show "curl --silent http://127.0.0.1:$(metrics_port backend)/metrics |
    grep -E '^kith_(tls_handshakes|policy_decisions|identity_rotations|certificate_not_after)'" ||
    broken "the metrics"
  metrics=$(curl --silent --max-time 5 "http://127.0.0.1:$(metrics_port backend)/metrics")
  check "handshakes are counted by pair of principals" \
    grep -q 'kith_tls_handshakes_total.*result="ok".*sa/frontend.*sa/backend' <<< "$metrics"
  check "the refusal is counted" grep -q 'kith_policy_decisions_total{action="deny"' <<< "$metrics"
  check "the certificate's expiry is an absolute time" \
    grep -q 'kith_certificate_not_after_timestamp_seconds{kind="leaf"' <<< "$metrics"
}

tour() {
  tour_identities
  tour_allowed
  tour_refused
  tour_rotation
  tour_metrics
  echo
  if [ "$FAILED_STEPS" -gt 0 ]; then
    printf '%s\n' "${RED}$FAILED_STEPS promises did not hold${PLAIN}; the logs are in $STATE"
    return 1
  fi
  printf '%s\n' "${GREEN}Every promise held.${PLAIN} README.md says where to go from here."
}
