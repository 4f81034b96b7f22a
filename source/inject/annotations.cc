#include "source/inject/annotations.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "source/base/status.h"
#include "source/capture/rules.h"

namespace kith::inject {
namespace {

constexpr char kKith[] = "sidecar.kith.dev/";
constexpr char kIstio[] = "sidecar.istio.io/";
constexpr char kIstioTraffic[] = "traffic.sidecar.istio.io/";
constexpr char kLinkerd[] = "config.linkerd.io/";
constexpr uint32_t kMaxPortRange = 64;  // Of Linkerd's "4567-4568"; the rules take single ports.

absl::Status Invalid(const std::string& name, absl::string_view problem) {
  return absl::InvalidArgumentError(absl::StrCat("annotation ", name, ": ", problem));
}

// One setting by up to three names; the first that is there counts.
struct Found {
  std::string name;
  std::string value;
  explicit operator bool() const { return !name.empty(); }
};
Found First(const Json& annotations, std::initializer_list<std::string> names) {
  for (const std::string& name : names) {
    const Json* value = Find(annotations, name.c_str());
    if (value != nullptr && value->is_string()) return {name, value->get<std::string>()};
  }
  return {};
}

absl::StatusOr<bool> Boolean(const Found& found) {
  if (found.value == "true" || found.value == "enabled") return true;
  if (found.value == "false" || found.value == "disabled") return false;
  return Invalid(found.name, absl::StrCat("\"", found.value, "\" is not \"true\" or \"false\""));
}

absl::Status TakeQuantity(const Found& found, std::string& to) {
  if (!found) return absl::OkStatus();
  if (!IsQuantity(found.value)) {
    return Invalid(found.name,
                   absl::StrCat("\"", found.value, "\" is no quantity such as 100m or 64Mi"));
  }
  to = found.value == "0" ? "" : found.value;
  return absl::OkStatus();
}

absl::Status TakeResources(const Json& annotations, Resources& to) {
  const auto find = [&](const char* kith, const char* istio, const char* linkerd) {
    return First(annotations, {absl::StrCat(kKith, kith), absl::StrCat(kIstio, istio),
                               absl::StrCat(kLinkerd, linkerd)});
  };
  KITH_RETURN_IF_ERROR(
      TakeQuantity(find("cpu-request", "proxyCPU", "proxy-cpu-request"), to.cpu_request));
  KITH_RETURN_IF_ERROR(TakeQuantity(find("memory-request", "proxyMemory", "proxy-memory-request"),
                                    to.memory_request));
  KITH_RETURN_IF_ERROR(
      TakeQuantity(find("cpu-limit", "proxyCPULimit", "proxy-cpu-limit"), to.cpu_limit));
  return TakeQuantity(find("memory-limit", "proxyMemoryLimit", "proxy-memory-limit"),
                      to.memory_limit);
}

// "25,4567-4568" as "25,4567,4568".
absl::StatusOr<std::string> WithoutRanges(const Found& found) {
  std::vector<std::string> ports;
  for (const absl::string_view part :
       absl::StrSplit(found.value, absl::ByAnyChar(", "), absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> ends =
        absl::StrSplit(part, absl::MaxSplits('-', 1));
    uint32_t first = 0;
    uint32_t last = 0;
    if (ends.second.empty()) {
      ports.emplace_back(part);
    } else if (!absl::SimpleAtoi(ends.first, &first) || !absl::SimpleAtoi(ends.second, &last) ||
               last < first || last - first >= kMaxPortRange || last > 65535) {
      return Invalid(found.name, absl::StrCat("\"", part, "\" is no range of at most ",
                                              kMaxPortRange, " ports"));
    } else {
      for (uint32_t port = first; port <= last; ++port) ports.push_back(absl::StrCat(port));
    }
  }
  return absl::StrJoin(ports, ",");
}

template <typename Parser>
absl::Status TakeList(const Found& found, Parser parse, std::string& to) {
  if (!found) return absl::OkStatus();
  KITH_ASSIGN_OR_RETURN(std::string list, WithoutRanges(found));
  if (const auto parsed = parse(list); !parsed.ok()) {
    return Invalid(found.name, parsed.status().message());
  }
  to = std::move(list);
  return absl::OkStatus();
}

absl::Status TakeLists(const Json& annotations, CaptureLists& to) {
  const auto find = [&](const char* kith, const char* istio) {
    return First(annotations, {absl::StrCat(kKith, kith), absl::StrCat(kIstioTraffic, istio)});
  };
  const auto find_skipped = [&](const char* kith, const char* istio, const char* linkerd) {
    return First(annotations, {absl::StrCat(kKith, kith), absl::StrCat(kIstioTraffic, istio),
                               absl::StrCat(kLinkerd, linkerd)});
  };
  KITH_RETURN_IF_ERROR(TakeList(find("include-inbound-ports", "includeInboundPorts"),
                                capture::ParsePortSelection, to.include_inbound_ports));
  KITH_RETURN_IF_ERROR(
      TakeList(find_skipped("exclude-inbound-ports", "excludeInboundPorts", "skip-inbound-ports"),
               capture::ParsePorts, to.exclude_inbound_ports));
  KITH_RETURN_IF_ERROR(TakeList(find("include-outbound-networks", "includeOutboundIPRanges"),
                                capture::ParseNetworkSelection, to.include_outbound_networks));
  KITH_RETURN_IF_ERROR(TakeList(find("exclude-outbound-networks", "excludeOutboundIPRanges"),
                                capture::ParseNetworks, to.exclude_outbound_networks));
  KITH_RETURN_IF_ERROR(TakeList(find("include-outbound-ports", "includeOutboundPorts"),
                                capture::ParsePorts, to.include_outbound_ports));
  KITH_RETURN_IF_ERROR(TakeList(
      find_skipped("exclude-outbound-ports", "excludeOutboundPorts", "skip-outbound-ports"),
      capture::ParsePorts, to.exclude_outbound_ports));
  return TakeList(find("exclude-interfaces", "excludeInterfaces"), capture::ParseInterfaces,
                  to.exclude_interfaces);
}

absl::Status TakeCapture(const Json& annotations, Options& to) {
  const Found found = First(
      annotations, {absl::StrCat(kKith, "capture"), absl::StrCat(kIstio, "interceptionMode")});
  if (!found) return absl::OkStatus();
  if (found.value == "init-container") {
    to.capture = Capture::kInitContainer;
  } else if (found.value == "cni") {
    to.capture = Capture::kCni;
  } else if (found.value == "none" || found.value == "NONE") {
    to.capture = Capture::kNone;
  } else if (found.value == "TPROXY") {
    return Invalid(found.name,
                   "TPROXY needs a sidecar with NET_ADMIN, which Kith does not inject; remove it");
  } else if (found.value != "REDIRECT") {
    return Invalid(found.name, absl::StrCat("\"", found.value,
                                            "\" is not \"init-container\", \"cni\" or \"none\""));
  }
  return absl::OkStatus();
}

// Istio writes "warning", Linkerd "warn,linkerd=info".
absl::Status TakeLogLevel(const Json& annotations, Options& to,
                          std::vector<std::string>& warnings) {
  const Found found =
      First(annotations, {absl::StrCat(kKith, "log-level"), absl::StrCat(kIstio, "logLevel"),
                          absl::StrCat(kLinkerd, "proxy-log-level")});
  if (!found) return absl::OkStatus();
  std::string level = found.value;
  if (found.name != absl::StrCat(kKith, "log-level")) {
    level = level.substr(0, level.find(','));
    if (level == "warn") level = "warning";
    if (level == "trace") level = "debug";
    if (level == "critical" || level == "off") level = "error";
  }
  if (IsLogLevel(level)) {
    to.log_level = level;
    return absl::OkStatus();
  }
  if (absl::StartsWith(found.name, kKith)) {
    return Invalid(found.name,
                   absl::StrCat("\"", found.value, "\" is not debug, info, warning or error"));
  }
  warnings.push_back(absl::StrCat(found.name, ": \"", found.value,
                                  "\" is no level of Kith's; the mesh's own is used"));
  return absl::OkStatus();
}

void WarnOfTheUnsupported(const Json& annotations, std::vector<std::string>& warnings) {
  constexpr std::pair<const char*, const char*> kUnsupported[] = {
      {"sidecar.istio.io/proxyImage", "Istio's image; sidecar.kith.dev/image names Kith's"},
      {"sidecar.istio.io/userVolume", "volumes of the user are not mounted into the sidecar"},
      {"sidecar.istio.io/userVolumeMount", "volumes of the user are not mounted into the sidecar"},
      {"sidecar.istio.io/bootstrapOverride", "is Envoy's"},
      {"proxy.istio.io/config", "is Istio's; what has a counterpart is in docs/migration.md"},
      {"inject.istio.io/templates", "Kith has no templates"},
      {"config.linkerd.io/proxy-image", "Linkerd's image; sidecar.kith.dev/image names Kith's"},
      {"config.linkerd.io/opaque-ports",
       "say it in the Service: appProtocol: tcp, or a port's name that begins with tcp-"},
      {"config.linkerd.io/default-inbound-policy",
       "say it with PeerAuthentication and AuthorizationPolicy"},
      {"config.linkerd.io/skip-subnets", "sidecar.kith.dev/exclude-outbound-networks is nearest"},
  };
  for (const auto& [name, why] : kUnsupported) {
    if (Find(annotations, name) != nullptr) {
      warnings.push_back(absl::StrCat("annotation ", name, " has no effect: ", why));
    }
  }
}

Ask FirstAsk(const Json& from, absl::string_view what, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    const std::string value = Text(from, name);
    const bool wanted = value == "true" || value == "enabled" || value == "ingress";
    const bool refused = value == "false" || value == "disabled";
    if (wanted || refused) {
      return {wanted ? Wish::kWanted : Wish::kRefused, absl::StrCat(what, " ", name, "=", value)};
    }
  }
  return {};
}

}  // namespace

absl::Status ApplyAnnotations(const Json& annotations, Options& options,
                              std::vector<std::string>& warnings) {
  WarnOfTheUnsupported(annotations, warnings);
  if (const Found image = First(annotations, {absl::StrCat(kKith, "image")}); image) {
    if (image.value.empty()) return Invalid(image.name, "is empty");
    options.image = image.value;
  }
  if (const Found native =
          First(annotations, {absl::StrCat(kKith, "native"), absl::StrCat(kIstio, "nativeSidecar"),
                              "config.beta.linkerd.io/proxy-enable-native-sidecar",
                              "config.alpha.linkerd.io/proxy-enable-native-sidecar"});
      native) {
    KITH_ASSIGN_OR_RETURN(const bool is_native, Boolean(native));
    options.sidecar = is_native ? Sidecar::kNative : Sidecar::kClassic;
  }
  if (const Found rewrite = First(annotations, {absl::StrCat(kKith, "rewrite-probes"),
                                                absl::StrCat(kIstio, "rewriteAppHTTPProbers")});
      rewrite) {
    KITH_ASSIGN_OR_RETURN(const bool rewritten, Boolean(rewrite));
    options.probes = rewritten ? Probes::kRewritten : Probes::kLeftAlone;
  }
  KITH_RETURN_IF_ERROR(TakeLogLevel(annotations, options, warnings));
  KITH_RETURN_IF_ERROR(TakeResources(annotations, options.resources));
  KITH_RETURN_IF_ERROR(TakeCapture(annotations, options));
  return TakeLists(annotations, options.lists);
}

Ask AskOfPod(const Json& pod) {
  const Json* metadata = Find(pod, "metadata");
  if (metadata == nullptr) return {};
  for (const char* part : {"labels", "annotations"}) {
    const Json* found = Find(*metadata, part);
    if (found == nullptr) continue;
    Ask ask = FirstAsk(*found, part[0] == 'l' ? "label" : "annotation",
                       {"sidecar.kith.dev/inject", "sidecar.istio.io/inject", "linkerd.io/inject"});
    if (ask.wish != Wish::kNone) return ask;
  }
  return {};
}

Ask AskOfNamespace(const Json& labels) {
  Ask ask = FirstAsk(labels, "namespace label",
                     {"sidecar.kith.dev/inject", "istio-injection", "linkerd.io/inject"});
  if (ask.wish != Wish::kNone) return ask;
  const std::string revision = Text(labels, "istio.io/rev");
  if (revision.empty()) return ask;
  const Wish wish = revision == "kith" ? Wish::kWanted : Wish::kRefused;
  return {wish, absl::StrCat("namespace label istio.io/rev=", revision)};
}

}  // namespace kith::inject
