#include "source/inject/containers.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace kith::inject {
namespace {

constexpr char kRunDirectory[] = "/run/kith";
constexpr char kRootsDirectory[] = "/etc/kith/roots";
constexpr char kTokenDirectory[] = "/var/run/secrets/kith";
constexpr int64_t kNobody = 65534;
constexpr int64_t kLongestDrainSeconds = 15;
// Of the pod's grace period: for the application's own end, and for what is not the drain.
constexpr int64_t kAfterDrainSeconds = 5;
constexpr int kReadyWithinSeconds = 600;

Json Reference(const char* name, const char* field) {
  return {{"name", name}, {"valueFrom", {{"fieldRef", {{"fieldPath", field}}}}}};
}

// Kubernetes expands $(NAME) in what the user wrote, too.
void EscapeReferences(Json& json) {
  if (json.is_string()) {
    json = absl::StrReplaceAll(json.get_ref<const std::string&>(), {{"$", "$$"}});
  } else if (json.is_structured()) {
    for (Json& each : json) EscapeReferences(each);
  }
}

std::string Any(const Options& options, uint16_t port) {
  return absl::StrCat(options.ipv6 ? "[::]:" : "0.0.0.0:", port);
}

// The sidecar's bootstrap (api/kith/config/v1/sidecar.proto).
Json Bootstrap(const Options& options, const PodFacts& facts) {
  Json labels = facts.labels;
  Json probes = facts.probes;
  EscapeReferences(labels);
  EscapeReferences(probes);
  Json config;
  config["workload"] = {{"name", "$(POD_NAME)"},
                        {"namespace", "$(POD_NAMESPACE)"},
                        {"serviceAccount", "$(SERVICE_ACCOUNT)"},
                        {"trustDomain", options.trust_domain},
                        {"labels", std::move(labels)}};
  config["controlPlane"] = {{"address", options.control_plane},
                            {"serverName", options.server_name},
                            {"trustBundleFile", absl::StrCat(kRootsDirectory, "/root-cert.pem")},
                            {"tokenFile", absl::StrCat(kTokenDirectory, "/token")}};
  // A container that is restarted while the control plane is away goes on with what it had.
  config["identity"] = {{"cache", {{"directory", absl::StrCat(kRunDirectory, "/identity")}}}};
  if (options.capture == Capture::kNone) {
    // Without an inbound port peers are not told to come by mutual TLS.
    config["capture"] = {{"outbound", absl::StrCat("127.0.0.1:", kOutboundPort)}};
  } else {
    config["capture"] = {{"inbound", Any(options, kInboundPort)},
                         {"outbound", Any(options, kOutboundPort)}};
  }
  config["admin"] = {{"socket", absl::StrCat(kRunDirectory, "/admin.sock")}};
  config["observability"] = {{"address", Any(options, kMonitoringPort)},
                             {"logLevel", options.log_level}};
  if (!options.access_log.empty()) config["observability"]["accessLog"] = options.access_log;
  const int64_t drain =
      std::clamp<int64_t>(facts.grace_seconds - kAfterDrainSeconds, 0, kLongestDrainSeconds);
  config["timeouts"] = {{"drain", absl::StrCat(drain, "s")}};
  if (!probes.empty()) config["applicationProbes"] = std::move(probes);
  return config;
}

Json ResourcesOf(const Resources& resources) {
  Json json = Json::object();
  const auto add = [&json](const char* kind, const char* what, const std::string& amount) {
    if (!amount.empty()) json[kind][what] = amount;
  };
  add("requests", "cpu", resources.cpu_request);
  add("requests", "memory", resources.memory_request);
  add("limits", "cpu", resources.cpu_limit);
  add("limits", "memory", resources.memory_limit);
  return json;
}

Json SecurityContext(int64_t user, int64_t group) {
  return {{"runAsUser", user},
          {"runAsGroup", group},
          {"runAsNonRoot", user != 0},
          {"privileged", false},
          {"allowPrivilegeEscalation", false},
          {"readOnlyRootFilesystem", true},
          {"capabilities", {{"drop", {"ALL"}}}},
          {"seccompProfile", {{"type", "RuntimeDefault"}}}};
}

Json Probe(const char* path, int period_seconds, int failures) {
  return {{"httpGet", {{"path", path}, {"port", kMonitoringPort}, {"scheme", "HTTP"}}},
          {"timeoutSeconds", 3},
          {"periodSeconds", period_seconds},
          {"failureThreshold", failures}};
}

Json Container(const char* name, const Options& options) {
  Json container = {{"name", name}, {"image", options.image}};
  if (!options.image_pull_policy.empty()) container["imagePullPolicy"] = options.image_pull_policy;
  return container;
}

}  // namespace

Json SidecarContainer(const Options& options, const PodFacts& facts) {
  Json container = Container(kSidecarName, options);
  const bool native = options.sidecar == Sidecar::kNative;
  if (native) container["restartPolicy"] = "Always";
  container["command"] = {"kith-sidecar"};
  container["args"] = {"--config-env", "KITH_CONFIG"};
  container["env"] = {Reference("POD_NAME", "metadata.name"),
                      Reference("POD_NAMESPACE", "metadata.namespace"),
                      Reference("SERVICE_ACCOUNT", "spec.serviceAccountName"),
                      {{"name", "KITH_CONFIG"}, {"value", Canonical(Bootstrap(options, facts))}}};
  container["ports"] = Json::array(
      {{{"name", "kith-metrics"}, {"containerPort", kMonitoringPort}, {"protocol", "TCP"}}});
  container["startupProbe"] = Probe("/healthz/ready", 1, kReadyWithinSeconds);
  container["readinessProbe"] = Probe("/healthz/ready", 5, 3);
  container["livenessProbe"] = Probe("/healthz/live", 10, 6);
  if (!native) {
    // Kubernetes starts the next container when this hook has returned.
    container["lifecycle"]["postStart"]["exec"]["command"] = {"kith-sidecar", "wait", "--timeout",
                                                              absl::StrCat(kReadyWithinSeconds)};
  }
  if (Json resources = ResourcesOf(options.resources); !resources.empty()) {
    container["resources"] = std::move(resources);
  }
  container["securityContext"] = SecurityContext(options.proxy_uid, options.proxy_uid);
  container["volumeMounts"] = {
      {{"name", kVolumeNames[0]}, {"mountPath", kRunDirectory}},
      {{"name", kVolumeNames[1]}, {"mountPath", kRootsDirectory}, {"readOnly", true}},
      {{"name", kVolumeNames[2]}, {"mountPath", kTokenDirectory}, {"readOnly", true}}};
  return container;
}

std::vector<std::string> CaptureArguments(const Options& options) {
  std::vector<std::string> arguments = {"--proxy-uid", absl::StrCat(options.proxy_uid)};
  const auto add = [&arguments](const char* flag, const std::string& value) {
    if (value.empty()) return;
    arguments.emplace_back(flag);
    arguments.push_back(value);
  };
  if (!options.ipv6) add("--ipv6", "off");
  const CaptureLists& lists = options.lists;
  add("--include-inbound-ports", lists.include_inbound_ports);
  // The kubelet and Prometheus have no certificate.
  add("--exclude-inbound-ports",
      lists.exclude_inbound_ports.empty()
          ? absl::StrCat(kMonitoringPort)
          : absl::StrCat(kMonitoringPort, ",", lists.exclude_inbound_ports));
  add("--include-outbound-networks", lists.include_outbound_networks);
  add("--exclude-outbound-networks", lists.exclude_outbound_networks);
  add("--include-outbound-ports", lists.include_outbound_ports);
  add("--exclude-outbound-ports", lists.exclude_outbound_ports);
  add("--exclude-interfaces", lists.exclude_interfaces);
  return arguments;
}

Json CaptureContainer(const Options& options) {
  const bool applies = options.capture == Capture::kInitContainer;
  Json container = Container(applies ? kCaptureName : kValidationName, options);
  container["command"] = {"kith-sidecar", "capture", applies ? "apply" : "check"};
  container["args"] = CaptureArguments(options);
  if (Json resources = ResourcesOf(options.resources); !resources.empty()) {
    container["resources"] = std::move(resources);
  }
  // The check's own connections must not be the proxy's.
  container["securityContext"] =
      applies ? SecurityContext(0, 0) : SecurityContext(kNobody, kNobody);
  if (applies) {
    container["securityContext"]["capabilities"]["add"] = {"NET_ADMIN", "NET_RAW"};
    // The legacy iptables want a lock, and there is nowhere else to write.
    container["env"] = Json::array(
        {{{"name", "XTABLES_LOCKFILE"}, {"value", absl::StrCat(kRunDirectory, "/xtables.lock")}}});
    container["volumeMounts"] =
        Json::array({{{"name", kVolumeNames[0]}, {"mountPath", kRunDirectory}}});
  }
  return container;
}

Json Volumes(const Options& options) {
  Json token = {{"audience", options.token_audience},
                {"expirationSeconds", absl::ToInt64Seconds(options.token_lifetime)},
                {"path", "token"}};
  Json volumes = Json::array();
  volumes.push_back(
      {{"name", kVolumeNames[0]}, {"emptyDir", {{"medium", "Memory"}, {"sizeLimit", "16Mi"}}}});
  volumes.push_back(
      {{"name", kVolumeNames[1]}, {"configMap", {{"name", options.roots_config_map}}}});
  volumes.push_back(
      {{"name", kVolumeNames[2]},
       {"projected", {{"sources", Json::array({{{"serviceAccountToken", std::move(token)}}})}}}});
  return volumes;
}

}  // namespace kith::inject
