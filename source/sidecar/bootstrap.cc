#include "source/sidecar/bootstrap.h"

#include <utility>

#include "absl/algorithm/container.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "kith/config/v1/sidecar.pb.h"
#include "source/base/status.h"
#include "source/config/document.h"
#include "source/sidecar/bootstrap_capture.h"
#include "source/sidecar/bootstrap_values.h"

namespace kith::sidecar {
namespace {

using config::v1::SidecarConfig;

constexpr uint32_t kMaxWorkers = 256;
constexpr int kMaxCrlFiles = 64;
constexpr int kMaxResponderNetworks = 64;
constexpr int kMaxPorts = 64;  // Of each direction; the control plane takes no more.

absl::Status ReadWorkload(const config::v1::Workload& workload, Bootstrap& to) {
  KITH_ASSIGN_OR_RETURN(to.name, NamePart("workload.name", workload.name()));
  KITH_ASSIGN_OR_RETURN(to.name_space, NamePart("workload.namespace", workload.namespace_()));
  KITH_ASSIGN_OR_RETURN(to.service_account,
                        NamePart("workload.serviceAccount", workload.service_account()));
  if (!workload.trust_domain().empty()) to.trust_domain = workload.trust_domain();
  if (!base::IsTrustDomain(to.trust_domain)) {
    return Invalid(
        "workload.trustDomain",
        absl::StrCat("\"", to.trust_domain, "\" is not lower-case letters, digits, '.', - and _"));
  }
  for (const auto& [key, value] : workload.labels()) to.labels[key] = value;
  return absl::OkStatus();
}

absl::Status ReadControlPlane(const config::v1::ControlPlaneClient& client, Bootstrap& to) {
  KITH_ASSIGN_OR_RETURN(const std::string host, HostOf("controlPlane.address", client.address()));
  to.control_plane = client.address();
  to.server_name = client.server_name().empty() ? host : client.server_name();
  KITH_ASSIGN_OR_RETURN(to.trust_bundle_file,
                        Required("controlPlane.trustBundleFile", client.trust_bundle_file(),
                                 "the PEM file of the control plane's roots"));
  KITH_ASSIGN_OR_RETURN(to.token_file,
                        Required("controlPlane.tokenFile", client.token_file(),
                                 "the file that 'kithctl token create --file' writes"));
  return absl::OkStatus();
}

// What the application is told of the client's identity.
absl::Status ReadClientIdentity(const config::v1::InboundListener& from, absl::string_view field,
                                proxy::InboundOptions& to) {
  using Headers = config::v1::ClientCertificateHeaders;
  const bool http = to.protocol == mesh::Protocol::kHttp;
  if (from.has_client_certificate_headers() && !http) {
    return Invalid(absl::StrCat(field, "clientCertificateHeaders"), "is for HTTP ports only");
  }
  switch (from.client_certificate_headers().forwarded()) {
    case Headers::SANITIZE_SET:
      to.peer_headers.forward = proxy::ForwardClientCert::kSanitizeSet;
      break;
    case Headers::FORWARD_ONLY:
      to.peer_headers.forward = proxy::ForwardClientCert::kForwardOnly;
      break;
    case Headers::SANITIZE:
      to.peer_headers.forward = proxy::ForwardClientCert::kSanitize;
      break;
    default:
      break;
  }
  if (from.client_certificate_headers().ssl_client() == Headers::ADDED) {
    to.peer_headers.ssl_client = proxy::SslClientHeaders::kAdded;
  }
  if (from.proxy_protocol() == config::v1::V2) {
    if (http) return Invalid(absl::StrCat(field, "proxyProtocol"), "is for TCP ports only");
    to.proxy_protocol = proxy::ProxyProtocol::kV2;
  }
  return absl::OkStatus();
}

absl::Status ReadInbound(const SidecarConfig& config, Bootstrap& to) {
  if (config.inbound_size() > kMaxPorts) return Invalid("inbound", "has more than 64 entries");
  absl::flat_hash_set<uint16_t> ports;
  for (int i = 0; i < config.inbound_size(); ++i) {
    const config::v1::InboundListener& from = config.inbound(i);
    const std::string field = absl::StrCat("inbound[", i, "].");
    proxy::InboundOptions options;
    KITH_ASSIGN_OR_RETURN(options.bind, IpAddress(field + "bind", from.bind()));
    KITH_ASSIGN_OR_RETURN(options.application,
                          IpAddress(field + "application", from.application()));
    if (options.application.port() == 0) {
      return Invalid(field + "application", "needs the application's port, not 0");
    }
    options.port = options.application.port();
    if (from.port() != 0) {
      KITH_ASSIGN_OR_RETURN(options.port, PortNumber(field + "port", from.port()));
    }
    if (!ports.insert(options.port).second) {
      return Invalid(field + "port", absl::StrCat(options.port, " appears twice"));
    }
    switch (from.protocol()) {
      case config::v1::HTTP:
        options.protocol = mesh::Protocol::kHttp;
        break;
      case config::v1::HTTP2:
        options.protocol = mesh::Protocol::kHttp2;
        break;
      case config::v1::TCP:
        options.protocol = mesh::Protocol::kTcp;
        break;
      default:
        return Invalid(field + "protocol", "is required: HTTP, HTTP2 or TCP");
    }
    KITH_RETURN_IF_ERROR(ReadClientIdentity(from, field, options));
    to.inbound.push_back(options);
  }
  return absl::OkStatus();
}

absl::Status ReadOutbound(const SidecarConfig& config, Bootstrap& to) {
  if (config.outbound_size() > kMaxPorts) return Invalid("outbound", "has more than 64 entries");
  for (int i = 0; i < config.outbound_size(); ++i) {
    const config::v1::OutboundListener& from = config.outbound(i);
    const std::string field = absl::StrCat("outbound[", i, "].");
    proxy::OutboundOptions options;
    KITH_ASSIGN_OR_RETURN(options.bind, IpAddress(field + "bind", from.bind()));
    KITH_ASSIGN_OR_RETURN(options.service, ServiceHost(field + "service", from.service()));
    KITH_ASSIGN_OR_RETURN(options.port, PortNumber(field + "port", from.port()));
    to.outbound.push_back(std::move(options));
  }
  return absl::OkStatus();
}

absl::Status CheckBinds(const Bootstrap& bootstrap) {
  absl::flat_hash_set<std::string> binds;
  const auto add = [&binds](const base::SocketAddress& address) {
    return address.port() == 0 || binds.insert(address.ToString()).second;
  };
  bool distinct = add(bootstrap.monitoring_address);
  for (const auto& each : bootstrap.inbound) distinct = add(each.bind) && distinct;
  for (const auto& each : bootstrap.outbound) distinct = add(each.bind) && distinct;
  distinct = add(bootstrap.capture.inbound) && distinct;
  distinct = add(bootstrap.capture.outbound) && distinct;
  if (distinct) return absl::OkStatus();
  return Invalid("bind",
                 "two listeners (inbound, outbound, capture, observability) have one address");
}

absl::Status ReadAccessLogHeaders(const config::v1::Observability& from, Bootstrap& to) {
  constexpr int kMost = 16;
  constexpr absl::string_view kField = "observability.accessLogHeaders";
  constexpr absl::string_view kSecrets[] = {"authorization", "proxy-authorization", "cookie",
                                            "set-cookie", "x-forwarded-client-cert"};
  if (from.access_log_headers_size() > kMost) {
    return Invalid(kField, absl::StrCat("more than ", kMost));
  }
  for (const std::string& name : from.access_log_headers()) {
    const std::string lower = absl::AsciiStrToLower(name);
    if (!absl::c_all_of(lower,
                        [](char c) { return absl::ascii_isalnum(c) || c == '-' || c == '_'; })) {
      return Invalid(kField, absl::StrCat("\"", name, "\" is no name of a header"));
    }
    if (absl::c_linear_search(kSecrets, lower)) {
      return Invalid(kField, absl::StrCat("\"", name, "\" carries secrets, which are not logged"));
    }
    to.access_log_headers.push_back(lower);
  }
  return absl::OkStatus();
}

absl::Status ReadObservability(const SidecarConfig& config, Bootstrap& to) {
  KITH_ASSIGN_OR_RETURN(const std::string socket, Required("admin.socket", config.admin().socket(),
                                                           "the path of a UNIX socket to make"));
  auto admin = base::SocketAddress::Parse(absl::StrCat("unix:", socket));
  if (!admin.ok()) return Invalid("admin.socket", admin.status().message());
  to.admin_socket = *std::move(admin);
  const config::v1::Observability& from = config.observability();
  KITH_ASSIGN_OR_RETURN(to.monitoring_address,
                        IpAddress("observability.address",
                                  from.address().empty() ? "127.0.0.1:15020" : from.address()));
  to.access_log = from.access_log();
  if (!from.log_level().empty() && !base::ParseLogLevel(from.log_level(), to.log_level)) {
    return Invalid("observability.logLevel", absl::StrCat("\"", from.log_level(),
                                                          "\" is not debug, info, warning or "
                                                          "error"));
  }
  if (from.recent_decisions() > proxy::kMostRecentDecisions) {
    return Invalid("observability.recentDecisions",
                   absl::StrCat("at most ", proxy::kMostRecentDecisions));
  }
  to.recent_decisions = from.recent_decisions();
  return ReadAccessLogHeaders(from, to);
}

absl::Status ReadTimeouts(const config::v1::Timeouts& from, Bootstrap& to) {
  using Zero = ZeroDuration;
  const auto read = [](bool has, absl::string_view field,
                       const google::protobuf::Duration& duration, Zero zero,
                       absl::Duration& value) -> absl::Status {
    if (!has) return absl::OkStatus();
    KITH_ASSIGN_OR_RETURN(value, DurationOf(absl::StrCat("timeouts.", field), duration, zero));
    return absl::OkStatus();
  };
  proxy::Timeouts& timeouts = to.timeouts;
  KITH_RETURN_IF_ERROR(
      read(from.has_connect(), "connect", from.connect(), Zero::kRefused, timeouts.connect));
  KITH_RETURN_IF_ERROR(read(from.has_handshake(), "handshake", from.handshake(), Zero::kRefused,
                            timeouts.handshake));
  KITH_RETURN_IF_ERROR(read(from.has_head(), "head", from.head(), Zero::kRefused, timeouts.head));
  KITH_RETURN_IF_ERROR(read(from.has_idle(), "idle", from.idle(), Zero::kRefused, timeouts.idle));
  KITH_RETURN_IF_ERROR(
      read(from.has_response(), "response", from.response(), Zero::kAllowed, timeouts.response));
  KITH_RETURN_IF_ERROR(
      read(from.has_request(), "request", from.request(), Zero::kAllowed, timeouts.request));
  KITH_RETURN_IF_ERROR(
      read(from.has_per_try(), "perTry", from.per_try(), Zero::kAllowed, timeouts.per_try));
  KITH_RETURN_IF_ERROR(read(from.has_stream_idle(), "streamIdle", from.stream_idle(),
                            Zero::kAllowed, timeouts.stream_idle));
  return read(from.has_drain(), "drain", from.drain(), Zero::kAllowed, to.drain);
}

absl::Status ReadRetries(const config::v1::Retries& from, Bootstrap& to) {
  const auto read = [](bool has, absl::string_view field, uint32_t from_file, uint32_t most,
                       uint32_t& value) -> absl::Status {
    if (!has) return absl::OkStatus();
    if (from_file > most) {
      return Invalid(absl::StrCat("retries.", field), absl::StrCat("must be 0 to ", most));
    }
    value = from_file;
    return absl::OkStatus();
  };
  proxy::RetryLimits& retries = to.retries;
  KITH_RETURN_IF_ERROR(
      read(from.has_attempts(), "attempts", from.attempts(), 10, retries.attempts));
  KITH_RETURN_IF_ERROR(read(from.has_budget_percent(), "budgetPercent", from.budget_percent(), 100,
                            retries.budget_percent));
  return read(from.has_budget_per_second(), "budgetPerSecond", from.budget_per_second(), 1000,
              retries.budget_per_second);
}

tls::RevocationMode ModeOf(config::v1::Revocation::Mode mode) {
  using config::v1::Revocation;
  if (mode == Revocation::OFF) return tls::RevocationMode::kOff;
  return mode == Revocation::HARD ? tls::RevocationMode::kHard : tls::RevocationMode::kSoft;
}

absl::StatusOr<ResponderConfig> ReadResponders(const config::v1::Responders& from) {
  ResponderConfig to;
  to.origination_mode = ModeOf(from.origination_mode());
  if (from.networks_size() > kMaxResponderNetworks) {
    return Invalid("revocation.responders.networks", "has more than 64 entries");
  }
  auto networks =
      identity::ResponderNetworks::Create({from.networks().begin(), from.networks().end()});
  if (!networks.ok()) return Invalid("revocation.responders.networks", networks.status().message());
  to.networks = *std::move(networks);
  if (!from.has_timeout()) return to;
  KITH_ASSIGN_OR_RETURN(to.timeout, DurationOf("revocation.responders.timeout", from.timeout(),
                                               ZeroDuration::kRefused));
  if (to.timeout > absl::Seconds(10)) {
    return Invalid("revocation.responders.timeout", "must be at most 10 s");
  }
  return to;
}

absl::Status ReadRevocation(const config::v1::Revocation& from, Bootstrap& to) {
  to.rules.peer.revocation = ModeOf(from.mode());
  if (from.has_responders()) {
    KITH_ASSIGN_OR_RETURN(to.responders, ReadResponders(from.responders()));
  }
  if (from.crl_files_size() > kMaxCrlFiles) {
    return Invalid("revocation.crlFiles", "has more than 64 entries");
  }
  for (int i = 0; i < from.crl_files_size(); ++i) {
    KITH_ASSIGN_OR_RETURN(const std::string file,
                          Required(absl::StrCat("revocation.crlFiles[", i, "]"), from.crl_files(i),
                                   "the path of a revocation list, PEM or DER"));
    to.crl_files.push_back(file);
  }
  return absl::OkStatus();
}

absl::Status ReadBreakGlass(const config::v1::BreakGlass& from, Bootstrap& to) {
  to.break_glass_permitted = from.permitted();
  if (!from.has_max_duration()) return absl::OkStatus();
  KITH_ASSIGN_OR_RETURN(
      to.break_glass_longest,
      DurationOf("breakGlass.maxDuration", from.max_duration(), ZeroDuration::kRefused));
  if (to.break_glass_longest > absl::Hours(24)) {
    return Invalid("breakGlass.maxDuration", "must be at most 24 h");
  }
  return absl::OkStatus();
}

absl::Status ReadLimits(const SidecarConfig& config, Bootstrap& to) {
  if (config.workers() > kMaxWorkers) return Invalid("workers", "must be 1 to 256");
  if (config.workers() != 0) to.workers = config.workers();
  if (config.links().mode() == config::v1::Links::OFF) to.links = proxy::Links::kOff;
  if (config.tls().min_version() == config::v1::Tls::TLS1_2) {
    to.rules.min_version = tls::MinVersion::kTls12;
  }
  if (config.limits().connections() != 0) to.limits.connections = config.limits().connections();
  constexpr uint64_t kLeastMemory = uint64_t{32} << 20;
  to.memory_limit = config.limits().memory();
  if (to.memory_limit != 0 && to.memory_limit < kLeastMemory) {
    return Invalid("limits.memory",
                   "must be 33554432 (32 MiB) or more, which an idle sidecar needs");
  }
  const uint32_t head = config.limits().request_head_bytes();
  if (head == 0) return absl::OkStatus();
  if (head < 1024 || head > 1024 * 1024) {
    return Invalid("limits.requestHeadBytes", "must be 1024 to 1048576");
  }
  to.limits.request_head_bytes = head;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Bootstrap> Bootstrap::From(const SidecarConfig& config) {
  Bootstrap bootstrap;
  KITH_RETURN_IF_ERROR(ReadWorkload(config.workload(), bootstrap));
  KITH_RETURN_IF_ERROR(ReadControlPlane(config.control_plane(), bootstrap));
  if (config.identity().has_lifetime()) {
    KITH_ASSIGN_OR_RETURN(
        bootstrap.lifetime,
        DurationOf("identity.lifetime", config.identity().lifetime(), ZeroDuration::kRefused));
    if (bootstrap.lifetime < absl::Seconds(1)) {
      return Invalid("identity.lifetime", "must be at least 1 s");
    }
  }
  KITH_ASSIGN_OR_RETURN(bootstrap.identity, ReadIdentity(config.identity()));
  if (config.has_workload_api()) {
    KITH_ASSIGN_OR_RETURN(bootstrap.workload_api, ReadWorkloadApi(config.workload_api()));
  }
  KITH_RETURN_IF_ERROR(ReadInbound(config, bootstrap));
  KITH_RETURN_IF_ERROR(ReadOutbound(config, bootstrap));
  KITH_RETURN_IF_ERROR(ReadCapture(config.capture(), bootstrap));
  if (bootstrap.inbound.empty() && bootstrap.outbound.empty() && !config.has_capture()) {
    return Invalid("inbound",
                   "there is neither an inbound nor an outbound listener nor capture; add one");
  }
  KITH_RETURN_IF_ERROR(ReadObservability(config, bootstrap));
  KITH_RETURN_IF_ERROR(ReadTimeouts(config.timeouts(), bootstrap));
  KITH_RETURN_IF_ERROR(ReadLimits(config, bootstrap));
  KITH_RETURN_IF_ERROR(ReadRetries(config.retries(), bootstrap));
  KITH_RETURN_IF_ERROR(ReadRevocation(config.revocation(), bootstrap));
  KITH_RETURN_IF_ERROR(ReadBreakGlass(config.break_glass(), bootstrap));
  KITH_ASSIGN_OR_RETURN(bootstrap.application_probes, ReadApplicationProbes(config));
  KITH_RETURN_IF_ERROR(CheckBinds(bootstrap));
  return bootstrap;
}

absl::StatusOr<Bootstrap> Bootstrap::Load(const std::string& file) {
  KITH_ASSIGN_OR_RETURN(const std::string text, config::ReadFile(file));
  return Parse(text, file);
}

absl::StatusOr<Bootstrap> Bootstrap::Parse(absl::string_view text, const std::string& file) {
  KITH_ASSIGN_OR_RETURN(const auto config, config::ParseSingle<SidecarConfig>(text, file));
  auto bootstrap = From(config);
  if (!bootstrap.ok()) return base::Annotate(bootstrap.status(), file);
  auto roots = config::ReadFile(bootstrap->trust_bundle_file);
  if (!roots.ok()) {
    return base::Annotate(roots.status(), absl::StrCat(file, ": controlPlane.trustBundleFile"));
  }
  bootstrap->roots_pem = *std::move(roots);
  if (absl::Status read = LoadIdentityFiles(bootstrap->identity); !read.ok()) {
    return base::Annotate(read, file);
  }
  // Nothing is kept of it here: this only says early what is wrong with it.
  const auto bundle = tls::TrustBundle::Create({{bootstrap->trust_domain, bootstrap->roots_pem}});
  if (!bundle.ok()) {
    return base::Annotate(bundle.status(), absl::StrCat(file, ": controlPlane.trustBundleFile ",
                                                        bootstrap->trust_bundle_file));
  }
  return bootstrap;
}

absl::StatusOr<base::SpiffeId> Bootstrap::Id() const {
  return base::SpiffeId::ForServiceAccount(trust_domain, name_space, service_account);
}

}  // namespace kith::sidecar
