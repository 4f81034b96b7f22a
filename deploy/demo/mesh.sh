# The demonstration mesh: a control plane and three services, each an nginx with its sidecar, all on
# 127.0.0.1. Sourced by deploy/quickstart.sh; needs ROOT (the tree) and STATE (the state directory).

SERVICES=(frontend backend intruder)
CONTROL_PLANE_SOCKET=$STATE/controlplane/admin.sock
BIN=$ROOT/bazel-bin/source
export KITH_CONTROL_PLANE=$CONTROL_PLANE_SOCKET

# Ports by service: the application, the sidecar's inbound and its way to the backend, its metrics.
app_port()     { case $1 in frontend) echo 18081 ;; backend) echo 18082 ;; intruder) echo 18083 ;; esac; }
inbound_port() { echo $(($(app_port "$1") + 100)); }
backend_via()  { echo $(($(app_port "$1") + 200)); }
metrics_port() { echo $(($(app_port "$1") + 300)); }
sidecar_socket() { echo "$STATE/$1/admin.sock"; }

kithctl() { "$BIN/ctl/kithctl" "$@"; }

# start NAME COMMAND...: in the background, its output in a log file, its process id in a file.
start() {
  local name=$1
  shift
  "$@" >> "$STATE/$name.log" 2>&1 &
  echo "$! $(cut -d' ' -f22 "/proc/$!/stat")" > "$STATE/$name.pid"
}

# Whether the process that was started under that name is still the one with that id.
running() {
  local pid started
  [ -r "$STATE/$1.pid" ] && read -r pid started < "$STATE/$1.pid" &&
    [ "$(cut -d' ' -f22 "/proc/$pid/stat" 2>/dev/null)" = "$started" ]
}

# stop NAME...: asks all of them to end, then waits for each; a process that stays is killed.
stop() {
  local name pid _ tries
  for name in "$@"; do
    if running "$name"; then
      read -r pid _ < "$STATE/$name.pid"
      kill -TERM "$pid" 2>/dev/null || true
    fi
  done
  for name in "$@"; do
    tries=0
    while running "$name"; do
      tries=$((tries + 1))
      if [ "$tries" -gt 200 ]; then
        read -r pid _ < "$STATE/$name.pid"
        kill -KILL "$pid" 2>/dev/null || true
      fi
      sleep 0.05
    done
    rm -f "$STATE/$name.pid"
  done
}

mesh_names() {
  local service
  for service in "${SERVICES[@]}"; do echo "sidecar-$service"; done
  for service in "${SERVICES[@]}"; do echo "nginx-$service"; done
  echo controlplane
}

mesh_stop() {
  # shellcheck disable=SC2046 # One word a name.
  stop $(mesh_names)
}

# await SECONDS WHAT LOG COMMAND...: until the command succeeds.
await() {
  local seconds=$1 what=$2 log=$3 deadline
  shift 3
  deadline=$((SECONDS + seconds))
  until "$@" > /dev/null 2>&1; do
    if [ "$SECONDS" -ge "$deadline" ]; then
      echo "$what is not ready after $seconds s; its log ends with:" >&2
      tail -n 5 "$STATE/$log.log" >&2
      return 1
    fi
    sleep 0.05
  done
}

ready() { curl --silent --fail --max-time 2 "http://127.0.0.1:$1/healthz/ready"; }

write_controlplane_config() {
  cat > "$STATE/controlplane.yaml" <<EOF
stateDirectory: $STATE/controlplane
trustDomain: cluster.local
address: 127.0.0.1:15012
monitoringAddress: 127.0.0.1:15014
adminSocket: $CONTROL_PLANE_SOCKET
registry:
  directory: $STATE/config
EOF
}

write_application() {
  local service=$1
  mkdir -p "$STATE/$service"
  cat > "$STATE/$service/nginx.conf" <<EOF
daemon off;
pid $STATE/$service/nginx.pid;
error_log stderr warn;
worker_processes 1;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 1000000;
  client_body_temp_path $STATE/$service/body;
  proxy_temp_path $STATE/$service/proxy;
  fastcgi_temp_path $STATE/$service/fastcgi;
  uwsgi_temp_path $STATE/$service/uwsgi;
  scgi_temp_path $STATE/$service/scgi;
  server {
    listen 127.0.0.1:$(app_port "$service") backlog=4096;
    location / { default_type text/plain; return 200 "hello from $service\n"; }
  }
}
EOF
}

write_sidecar_config() {
  local service=$1
  cat > "$STATE/$service/sidecar.yaml" <<EOF
workload:
  name: $service-1
  namespace: demo
  serviceAccount: $service
  trustDomain: cluster.local
  labels:
    app: $service
identity:
  lifetime: 1h
controlPlane:
  address: 127.0.0.1:15012
  serverName: kith-controlplane
  trustBundleFile: $STATE/controlplane/root-cert.pem
  tokenFile: $STATE/$service/token
inbound:
- bind: 127.0.0.1:$(inbound_port "$service")
  application: 127.0.0.1:$(app_port "$service")
  protocol: HTTP
outbound:
- bind: 127.0.0.1:$(backend_via "$service")
  service: backend.demo.svc.cluster.local
  port: 80
admin:
  socket: $(sidecar_socket "$service")
observability:
  address: 127.0.0.1:$(metrics_port "$service")
  accessLog: $STATE/$service/access.log
EOF
}

mesh_start() {
  local service
  mkdir -p "$STATE"
  chmod 0700 "$STATE"
  # The files of an earlier run stay as they were edited.
  if [ ! -d "$STATE/config" ]; then cp -r "$ROOT/deploy/demo/config" "$STATE/config"; fi
  write_controlplane_config
  start controlplane "$BIN/controlplane/kith-controlplane" --config "$STATE/controlplane.yaml"
  await 20 "the control plane" controlplane ready 15014
  for service in "${SERVICES[@]}"; do
    write_application "$service"
    write_sidecar_config "$service"
    start "nginx-$service" nginx -c "$STATE/$service/nginx.conf" -e stderr
    kithctl token create --namespace demo --service-account "$service" --ttl 24h \
      --file "$STATE/$service/token" > /dev/null
    start "sidecar-$service" "$BIN/sidecar/kith-sidecar" --config "$STATE/$service/sidecar.yaml"
  done
  for service in "${SERVICES[@]}"; do
    await 20 "the sidecar of $service" "sidecar-$service" ready "$(metrics_port "$service")"
  done
  await 10 "the way from frontend to backend" sidecar-frontend \
    curl --silent --fail --max-time 2 "http://127.0.0.1:$(backend_via frontend)/"
}

mesh_addresses() {
  local service
  echo "control plane   127.0.0.1:15012   metrics http://127.0.0.1:15014/metrics   socket $CONTROL_PLANE_SOCKET"
  for service in "${SERVICES[@]}"; do
    printf '%-9s       application 127.0.0.1:%s   inbound 127.0.0.1:%s   to backend http://127.0.0.1:%s/\n' \
      "$service" "$(app_port "$service")" "$(inbound_port "$service")" "$(backend_via "$service")"
    printf '                metrics http://127.0.0.1:%s/metrics   socket %s\n' \
      "$(metrics_port "$service")" "$(sidecar_socket "$service")"
  done
  echo "configuration   $STATE/config (edit the YAML, it is applied as you save)"
}
