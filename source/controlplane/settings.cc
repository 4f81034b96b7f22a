#include "source/controlplane/settings.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "source/base/spiffe_id.h"
#include "source/base/status.h"
#include "source/config/document.h"

namespace kith::controlplane {
namespace {

absl::Status Invalid(absl::string_view field, absl::string_view problem) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", problem));
}

absl::StatusOr<base::SocketAddress> IpAddress(absl::string_view field, const std::string& text) {
  auto address = base::SocketAddress::Parse(text);
  if (!address.ok() || !address->UnixPath().empty()) {
    return Invalid(field, absl::StrCat("\"", text, "\" is not \"ip:port\""));
  }
  return address;
}

void SetDefault(std::string* field, absl::string_view value) {
  if (field->empty()) *field = std::string(value);
}

absl::Status FillIn(kith::config::v1::ControlPlaneConfig& config) {
  if (config.state_directory().empty()) {
    return Invalid("stateDirectory", "is required: where keys and the audit log are kept");
  }
  if (config.registry().directory().empty()) {
    return Invalid("registry.directory", "is required: where the mesh's YAML files are");
  }
  SetDefault(config.mutable_trust_domain(), "cluster.local");
  SetDefault(config.mutable_root_namespace(), "istio-system");
  SetDefault(config.mutable_address(), "0.0.0.0:15012");
  SetDefault(config.mutable_monitoring_address(), "127.0.0.1:15014");
  SetDefault(config.mutable_admin_socket(), absl::StrCat(config.state_directory(), "/admin.sock"));
  SetDefault(config.mutable_log_level(), "info");
  if (config.server_names().empty()) {
    config.add_server_names("kith-controlplane");
    config.add_server_names("localhost");
  }
  return absl::OkStatus();
}

absl::Duration DurationOr(const google::protobuf::Duration& from, absl::Duration fallback) {
  const absl::Duration given = absl::Seconds(from.seconds()) + absl::Nanoseconds(from.nanos());
  return given == absl::ZeroDuration() ? fallback : given;
}

absl::Status TakeKeyFetching(const kith::config::v1::KeyFetching& from, Settings& settings) {
  settings.key_fetch.trusted_hosts = {from.trusted_hosts().begin(), from.trusted_hosts().end()};
  settings.key_fetch.ca_file = from.ca_file();
  settings.key_fetch.directory = from.directory();
  settings.keys.refresh = DurationOr(from.refresh(), settings.keys.refresh);
  settings.keys.max_age = DurationOr(from.max_age(), settings.keys.max_age);
  if (settings.keys.refresh < absl::Seconds(1)) {
    return Invalid("keyFetching.refresh", "must be at least 1s");
  }
  if (settings.keys.max_age < settings.keys.refresh) {
    return Invalid("keyFetching.maxAge", "must be at least keyFetching.refresh");
  }
  return absl::OkStatus();
}

absl::StatusOr<Settings::Webhook> ReadWebhook(const kith::config::v1::ControlPlaneConfig& config) {
  Settings::Webhook webhook;
  const std::string& address = config.webhook().address();
  KITH_ASSIGN_OR_RETURN(webhook.address,
                        IpAddress("webhook.address", address.empty() ? "0.0.0.0:15017" : address));
  inject::v1::InjectionConfig injection = config.webhook().injection();
  if (injection.trust_domain().empty()) injection.set_trust_domain(config.trust_domain());
  auto options = inject::Options::From(injection);
  if (!options.ok()) return base::Annotate(options.status(), "webhook.injection");
  webhook.injection = *std::move(options);
  return webhook;
}

constexpr char kOwnNamespace[] = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

absl::StatusOr<kubernetes::ApiClient::Options> ReadKubernetes(
    kith::config::v1::Kubernetes& cluster) {
  SetDefault(cluster.mutable_roots_config_map(), "kith-root-cert");
  SetDefault(cluster.mutable_webhook_configuration(), "kith");
  if (cluster.lease_namespace().empty()) {
    // Without the file this is no pod, and there is no Lease.
    const auto own = config::ReadFile(kOwnNamespace);
    if (own.ok()) cluster.set_lease_namespace(std::string(absl::StripAsciiWhitespace(*own)));
  }
  if (!cluster.has_lease_duration()) cluster.mutable_lease_duration()->set_seconds(15);
  if (cluster.lease_duration().seconds() < 2 || cluster.lease_duration().nanos() != 0) {
    return Invalid("kubernetes.leaseDuration", "must be whole seconds, at least 2s");
  }
  kubernetes::ApiClient::Options options;
  if (cluster.server().empty()) {
    auto found = kubernetes::ApiClient::Options::InCluster();
    if (!found.ok()) return Invalid("kubernetes.server", found.status().message());
    options = *std::move(found);
  } else {
    const size_t colon = cluster.server().rfind(':');
    uint32_t port = 0;
    if (colon == std::string::npos || colon == 0 ||
        !absl::SimpleAtoi(cluster.server().substr(colon + 1), &port) || port == 0 || port > 65535) {
      return Invalid("kubernetes.server",
                     absl::StrCat("\"", cluster.server(), "\" is not \"host:port\""));
    }
    options.host = cluster.server().substr(0, colon);
    options.port = static_cast<uint16_t>(port);
  }
  if (!cluster.ca_file().empty()) options.ca_file = cluster.ca_file();
  if (!cluster.token_file().empty()) options.token_file = cluster.token_file();
  return options;
}

absl::StatusOr<Settings> Check(kith::config::v1::ControlPlaneConfig config) {
  KITH_RETURN_IF_ERROR(FillIn(config));
  Settings settings;
  if (!base::IsTrustDomain(config.trust_domain())) {
    return Invalid("trustDomain",
                   absl::StrCat("\"", config.trust_domain(),
                                "\" is not lower-case letters, digits, '.', - and _"));
  }
  KITH_ASSIGN_OR_RETURN(settings.federation, FederationSettings::From(config));
  KITH_ASSIGN_OR_RETURN(settings.issuers, IssuerSettings::From(config));
  for (const std::string& alias : config.trust_domain_aliases()) {
    if (!base::IsTrustDomain(alias)) {
      return Invalid("trustDomainAliases", absl::StrCat("\"", alias, "\" is no trust domain"));
    }
    settings.mesh.trust_domain_aliases.push_back(alias);
  }
  if (!base::IsSpiffeSegment(config.root_namespace())) {
    return Invalid("rootNamespace",
                   absl::StrCat("\"", config.root_namespace(), "\" is no namespace's name"));
  }
  settings.mesh.trust_domain = config.trust_domain();
  settings.mesh.root_namespace = config.root_namespace();
  settings.mesh.path_normalization = config.path_normalization();
  settings.policy.trust_domain = config.trust_domain();
  settings.policy.trust_domain_aliases = settings.mesh.trust_domain_aliases;
  settings.policy.root_namespace = config.root_namespace();

  KITH_ASSIGN_OR_RETURN(settings.address, IpAddress("address", config.address()));
  KITH_ASSIGN_OR_RETURN(settings.monitoring_address,
                        IpAddress("monitoringAddress", config.monitoring_address()));
  auto socket = base::SocketAddress::Parse(absl::StrCat("unix:", config.admin_socket()));
  if (!socket.ok()) return Invalid("adminSocket", socket.status().message());
  settings.admin_socket = *std::move(socket);
  for (const std::string& name : config.server_names()) {
    if (name.empty() || name.size() > 253)
      return Invalid("serverNames", "a name is empty or too long");
    settings.server_names.push_back(name);
  }
  if (!base::ParseLogLevel(config.log_level(), settings.log_level)) {
    return Invalid("logLevel", absl::StrCat("\"", config.log_level(),
                                            "\" is not debug, info, warning or error"));
  }
  KITH_RETURN_IF_ERROR(TakeKeyFetching(config.key_fetching(), settings));
  if (config.has_webhook()) {
    KITH_ASSIGN_OR_RETURN(settings.webhook, ReadWebhook(config));
  }
  if (config.has_kubernetes()) {
    KITH_ASSIGN_OR_RETURN(settings.kubernetes, ReadKubernetes(*config.mutable_kubernetes()));
  }
  settings.config = std::move(config);
  return settings;
}

}  // namespace

absl::StatusOr<Settings> Settings::Load(const std::string& file) {
  KITH_ASSIGN_OR_RETURN(const std::string text, config::ReadFile(file));
  KITH_ASSIGN_OR_RETURN(auto config,
                        config::ParseSingle<kith::config::v1::ControlPlaneConfig>(text, file));
  auto settings = Check(std::move(config));
  if (!settings.ok()) return base::Annotate(settings.status(), file);
  return settings;
}

}  // namespace kith::controlplane
