#include "source/controlplane/registry/traffic_rules.h"

#include <google/protobuf/util/message_differencer.h>

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "source/base/status.h"
#include "source/control/tls_origination.h"
#include "source/control/traffic_policy.h"
#include "source/controlplane/registry/service_rules.h"

namespace kith::controlplane {
namespace {

absl::StatusOr<ClientTls> Tls(const networking::v1::ClientTLSSettings& tls, absl::string_view host,
                              absl::string_view path) {
  using networking::v1::ClientTLSSettings;
  if (!tls.has_mode()) {
    return absl::InvalidArgumentError(absl::StrCat(path, ".tls.mode: is required"));
  }
  const bool originated =
      tls.mode() == ClientTLSSettings::SIMPLE || tls.mode() == ClientTLSSettings::MUTUAL;
  if (originated) {
    const absl::Status checked = control::TranslateTlsOrigination(tls, host, {}).status();
    if (!checked.ok()) {
      return absl::Status(checked.code(), absl::StrCat(path, ".", checked.message()));
    }
    return ClientTls::kOriginate;
  }
  ClientTLSSettings mode_only;
  mode_only.set_mode(tls.mode());
  if (!google::protobuf::util::MessageDifferencer::Equals(tls, mode_only)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ".tls: ", ClientTLSSettings::TLSmode_Name(tls.mode()),
                     " takes no other field; certificates and names are for SIMPLE and MUTUAL"));
  }
  return tls.mode() == ClientTLSSettings::DISABLE ? ClientTls::kDisable : ClientTls::kMutual;
}

// The rule's and a port's policy have the same fields.
template <typename From>
absl::StatusOr<TrafficRule::Settings> Checked(const From& settings, absl::string_view host,
                                              absl::string_view path) {
  TrafficRule::Settings result;
  networking::v1::TrafficPolicy& policy = result.policy;
  if (settings.has_load_balancer()) *policy.mutable_load_balancer() = settings.load_balancer();
  if (settings.has_connection_pool()) {
    *policy.mutable_connection_pool() = settings.connection_pool();
  }
  if (settings.has_outlier_detection()) {
    *policy.mutable_outlier_detection() = settings.outlier_detection();
  }
  // Annotate() would put ": " between the path and the field.
  const absl::Status checked = control::TranslateTrafficPolicy(policy).status();
  if (!checked.ok()) {
    return absl::Status(checked.code(), absl::StrCat(path, ".", checked.message()));
  }
  if (settings.has_tls()) {
    KITH_ASSIGN_OR_RETURN(result.tls, Tls(settings.tls(), host, path));
    if (result.tls == ClientTls::kOriginate) result.origination = settings.tls();
  }
  return result;
}

}  // namespace

absl::StatusOr<TrafficRule> FromDestinationRule(const networking::v1::DestinationRule& rule) {
  const networking::v1::DestinationRuleSpec& spec = rule.spec();
  TrafficRule result;
  result.name_space = rule.metadata().namespace_();
  if (spec.host().empty()) return absl::InvalidArgumentError("spec.host: is required");
  result.host = absl::StrContains(spec.host(), '.')
                    ? spec.host()
                    : absl::StrCat(spec.host(), ".", result.name_space, ".svc.", kClusterDomain);
  KITH_RETURN_IF_ERROR(CheckHost("spec.host", result.host, result.name_space));
  for (const std::string& visible : spec.export_to()) {
    if (visible != "*") {
      return absl::UnimplementedError(
          "spec.exportTo: narrower visibility than \"*\" is not supported yet; remove it");
    }
  }
  if (!spec.has_traffic_policy()) {
    return absl::InvalidArgumentError("spec.trafficPolicy: is required");
  }
  KITH_ASSIGN_OR_RETURN(result.settings,
                        Checked(spec.traffic_policy(), result.host, "spec.trafficPolicy"));
  for (int i = 0; i < spec.traffic_policy().port_level_settings_size(); ++i) {
    const auto& settings = spec.traffic_policy().port_level_settings(i);
    const std::string path = absl::StrCat("spec.trafficPolicy.portLevelSettings[", i, "]");
    const uint32_t port = settings.port().number();
    if (port < 1 || port > 65535) {
      return absl::InvalidArgumentError(absl::StrCat(path, ".port.number: must be 1 to 65535"));
    }
    KITH_ASSIGN_OR_RETURN(TrafficRule::Settings own, Checked(settings, result.host, path));
    if (!result.ports.emplace(port, std::move(own)).second) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ".port.number: ", port, " appears twice"));
    }
  }
  return result;
}

}  // namespace kith::controlplane
