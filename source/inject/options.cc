#include "source/inject/options.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "source/base/log.h"
#include "source/base/status.h"

namespace kith::inject {
namespace {

absl::Status Invalid(absl::string_view field, absl::string_view problem) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", problem));
}

void Take(const std::string& from, std::string& to) {
  if (!from.empty()) to = from;
}

absl::Status TakeQuantity(absl::string_view field, const std::string& from, std::string& to) {
  if (from.empty()) return absl::OkStatus();
  if (!IsQuantity(from)) {
    return Invalid(field, absl::StrCat("\"", from, "\" is no quantity such as 100m or 64Mi"));
  }
  to = from == "0" ? "" : from;
  return absl::OkStatus();
}

absl::Status TakeResources(const v1::Resources& from, Resources& to) {
  KITH_RETURN_IF_ERROR(TakeQuantity("resources.cpuRequest", from.cpu_request(), to.cpu_request));
  KITH_RETURN_IF_ERROR(
      TakeQuantity("resources.memoryRequest", from.memory_request(), to.memory_request));
  KITH_RETURN_IF_ERROR(TakeQuantity("resources.cpuLimit", from.cpu_limit(), to.cpu_limit));
  return TakeQuantity("resources.memoryLimit", from.memory_limit(), to.memory_limit);
}

absl::Status TakeToken(const v1::InjectionConfig& config, Options& to) {
  Take(config.token_audience(), to.token_audience);
  if (!config.has_token_lifetime()) return absl::OkStatus();
  to.token_lifetime = absl::Seconds(config.token_lifetime().seconds());
  // Kubernetes' own bounds.
  if (to.token_lifetime < absl::Minutes(10) || to.token_lifetime > absl::Hours(24 * 365)) {
    return Invalid("tokenLifetime", "must be 10 min to 1 year");
  }
  return absl::OkStatus();
}

}  // namespace

bool IsQuantity(absl::string_view text) {
  size_t digits = 0;
  size_t dots = 0;
  size_t at = 0;
  while (at < text.size() && (absl::ascii_isdigit(text[at]) || text[at] == '.')) {
    (text[at] == '.' ? dots : digits) += 1;
    ++at;
  }
  if (digits == 0 || dots > 1 || text.size() > 32) return false;
  const absl::string_view suffix = text.substr(at);
  for (const absl::string_view known :
       {"", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"}) {
    if (suffix == known) return true;
  }
  if (suffix.size() < 2 || (suffix[0] != 'e' && suffix[0] != 'E')) return false;
  for (const char c : suffix.substr(1)) {
    if (!absl::ascii_isdigit(c)) return false;
  }
  return true;
}

bool IsLogLevel(absl::string_view text) {
  base::LogLevel level{};
  return base::ParseLogLevel(text, level);
}

absl::StatusOr<Options> Options::From(const v1::InjectionConfig& config) {
  using v1::InjectionConfig;
  Options options;
  if (config.image().empty()) return Invalid("image", "is required: what the sidecar runs");
  options.image = config.image();
  const std::string& pull = config.image_pull_policy();
  if (!pull.empty() && pull != "Always" && pull != "IfNotPresent" && pull != "Never") {
    return Invalid("imagePullPolicy",
                   absl::StrCat("\"", pull, "\" is not Always, IfNotPresent or Never"));
  }
  options.image_pull_policy = pull;
  Take(config.control_plane(), options.control_plane);
  if (!absl::StrContains(options.control_plane, ':')) {
    return Invalid("controlPlane",
                   absl::StrCat("\"", options.control_plane, "\" is not \"host:port\""));
  }
  Take(config.server_name(), options.server_name);
  Take(config.trust_domain(), options.trust_domain);
  Take(config.roots_config_map(), options.roots_config_map);
  KITH_RETURN_IF_ERROR(TakeToken(config, options));
  if (config.sidecar() == InjectionConfig::CLASSIC) options.sidecar = Sidecar::kClassic;
  if (config.capture() == InjectionConfig::CNI) options.capture = Capture::kCni;
  if (config.capture() == InjectionConfig::NONE) options.capture = Capture::kNone;
  options.ipv6 = config.ip_families() != InjectionConfig::IPV4;
  if (config.proxy_uid() != 0) options.proxy_uid = config.proxy_uid();
  KITH_RETURN_IF_ERROR(TakeResources(config.resources(), options.resources));
  Take(config.log_level(), options.log_level);
  if (!IsLogLevel(options.log_level)) {
    return Invalid("logLevel", absl::StrCat("\"", options.log_level,
                                            "\" is not debug, info, warning or error"));
  }
  if (!config.access_log().empty() && config.access_log() != "stdout") {
    return Invalid("accessLog", "must be \"stdout\" or empty: the sidecar's files are read-only");
  }
  options.access_log = config.access_log();
  if (config.ignored_namespaces().empty()) options.ignored_namespaces.push_back("kith-system");
  for (const std::string& each : config.ignored_namespaces()) {
    options.ignored_namespaces.push_back(each);
  }
  return options;
}

}  // namespace kith::inject
