#include "source/sidecar/application_probe.h"

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "kith/config/v1/sidecar.pb.h"
#include "source/base/status.h"
#include "source/http/serialize.h"
#include "source/sidecar/bootstrap_values.h"

namespace kith::sidecar {
namespace {

constexpr int kMaxProbes = 256;

absl::Status ReadHttp(const config::v1::ApplicationProbe::HttpGet& from, const std::string& field,
                      ApplicationProbe& to) {
  to.check = from.scheme() == config::v1::ApplicationProbe::HttpGet::HTTPS
                 ? ApplicationProbe::Check::kHttps
                 : ApplicationProbe::Check::kHttp;
  if (!from.path().empty()) to.target = from.path();
  std::string head;
  if (to.target[0] != '/' || !http::WriteRequestLine("GET", to.target, head)) {
    return Invalid(field + "httpGet.path", "must begin with / and hold no spaces or controls");
  }
  for (const auto& header : from.headers()) {
    if (!http::WriteHeader(header.name(), header.value(), head)) {
      return Invalid(field + "httpGet.headers",
                     absl::StrCat("\"", header.name(), "\" is no header that HTTP allows"));
    }
    to.headers.emplace_back(header.name(), header.value());
  }
  return absl::OkStatus();
}

absl::StatusOr<ApplicationProbe> Read(const config::v1::ApplicationProbe& from,
                                      const std::string& field) {
  ApplicationProbe probe;
  probe.path = from.path();
  if (!absl::StartsWith(probe.path, "/app-health/") &&
      !absl::StartsWith(probe.path, "/app-lifecycle/")) {
    return Invalid(field + "path", "must begin with /app-health/ or /app-lifecycle/");
  }
  if (from.has_timeout()) {
    KITH_ASSIGN_OR_RETURN(probe.timeout,
                          DurationOf(field + "timeout", from.timeout(), ZeroDuration::kRefused));
  }
  uint32_t port = 0;
  switch (from.check_case()) {
    case config::v1::ApplicationProbe::kHttpGet:
      KITH_RETURN_IF_ERROR(ReadHttp(from.http_get(), field, probe));
      port = from.http_get().port();
      break;
    case config::v1::ApplicationProbe::kTcpSocket:
      port = from.tcp_socket().port();
      break;
    case config::v1::ApplicationProbe::kGrpc:
      probe.check = ApplicationProbe::Check::kGrpc;
      probe.service = from.grpc().service();
      port = from.grpc().port();
      break;
    default:
      return Invalid(field + "httpGet", "is required, or tcpSocket or grpc: what is asked");
  }
  KITH_ASSIGN_OR_RETURN(probe.port, PortNumber(field + "port", port));
  return probe;
}

}  // namespace

absl::StatusOr<std::vector<ApplicationProbe>> ReadApplicationProbes(
    const config::v1::SidecarConfig& config) {
  if (config.application_probes_size() > kMaxProbes) {
    return Invalid("applicationProbes", absl::StrCat("has more than ", kMaxProbes, " entries"));
  }
  std::vector<ApplicationProbe> probes;
  absl::flat_hash_set<std::string> paths;
  for (int i = 0; i < config.application_probes_size(); ++i) {
    const std::string field = absl::StrCat("applicationProbes[", i, "].");
    KITH_ASSIGN_OR_RETURN(ApplicationProbe probe, Read(config.application_probes(i), field));
    if (!paths.insert(probe.path).second) {
      return Invalid(field + "path", absl::StrCat(probe.path, " appears twice"));
    }
    probes.push_back(std::move(probe));
  }
  return probes;
}

}  // namespace kith::sidecar
