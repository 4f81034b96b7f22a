#include "source/controlplane/federation_settings.h"

#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "source/base/socket_address.h"
#include "source/base/spiffe_id.h"
#include "source/base/status.h"
#include "source/http/url.h"

namespace kith::controlplane {
namespace {

// Most trust domains that a sidecar has room for.
constexpr int kMaxTrustDomains = 255;

absl::Status Invalid(absl::string_view field, absl::string_view problem) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", problem));
}

absl::StatusOr<absl::Duration> Interval(absl::string_view field, bool given,
                                        const google::protobuf::Duration& from,
                                        absl::Duration fallback) {
  if (!given) return fallback;
  const absl::Duration interval = absl::Seconds(from.seconds()) + absl::Nanoseconds(from.nanos());
  if (interval < absl::Seconds(1) || interval > absl::Hours(24)) {
    return Invalid(field, "must be between 1s and 24h");
  }
  return interval;
}

absl::StatusOr<BundleSource> SourceOf(const std::string& field,
                                      const config::v1::FederatedTrustDomain& of) {
  const config::v1::BundleSource& from = of.endpoint();
  BundleSource source;
  source.url = from.url();
  const auto parsed = http::ParseUrl(from.url());
  if (!parsed.ok()) return Invalid(field + "url", parsed.status().message());
  if (parsed->scheme != "https") return Invalid(field + "url", "must begin with https://");
  source.ca_file = from.ca_file();
  source.server_id = from.spiffe_id();
  KITH_ASSIGN_OR_RETURN(source.refresh, Interval(field + "refresh", from.has_refresh(),
                                                 from.refresh(), source.refresh));
  if (from.profile() != config::v1::BundleSource::HTTPS_SPIFFE) {
    if (from.spiffe_id().empty()) return source;
    return Invalid(field + "spiffeId", "goes with the profile HTTPS_SPIFFE");
  }
  source.profile = BundleSource::Profile::kHttpsSpiffe;
  const auto id = base::SpiffeId::Parse(from.spiffe_id());
  if (!id.ok() || id->trust_domain() != of.trust_domain()) {
    return Invalid(field + "spiffeId", absl::StrCat("must be a SPIFFE ID of ", of.trust_domain(),
                                                    ": whose certificate the endpoint has"));
  }
  if (!from.ca_file().empty()) return Invalid(field + "caFile", "goes with the profile HTTPS_WEB");
  if (of.file().empty()) {
    return Invalid(field + "profile",
                   "HTTPS_SPIFFE needs the field file as well: roots to begin with");
  }
  return source;
}

}  // namespace

absl::StatusOr<FederationSettings> FederationSettings::From(
    const config::v1::ControlPlaneConfig& config) {
  FederationSettings settings;
  if (config.federation_size() > kMaxTrustDomains) {
    return Invalid("federation", absl::StrCat("at most ", kMaxTrustDomains, " trust domains"));
  }
  std::set<std::string> seen = {config.trust_domain()};
  for (int i = 0; i < config.federation_size(); ++i) {
    const config::v1::FederatedTrustDomain& each = config.federation(i);
    const std::string field = absl::StrCat("federation[", i, "].");
    if (!base::IsTrustDomain(each.trust_domain()) || !seen.insert(each.trust_domain()).second) {
      return Invalid(field + "trustDomain",
                     absl::StrCat("\"", each.trust_domain().substr(0, 64),
                                  "\" is no trust domain, is the own one, or is there twice"));
    }
    if (each.file().empty() && !each.has_endpoint()) {
      return Invalid(field + "file", "is required, or an endpoint: that trust domain's roots");
    }
    Federation::Entry entry{.trust_domain = each.trust_domain(), .file = each.file()};
    if (each.has_endpoint()) {
      KITH_ASSIGN_OR_RETURN(entry.endpoint, SourceOf(field + "endpoint.", each));
    }
    settings.entries.push_back(std::move(entry));
  }
  const config::v1::BundleEndpoint& own = config.bundle_endpoint();
  KITH_ASSIGN_OR_RETURN(settings.endpoint.refresh_hint,
                        Interval("bundleEndpoint.refreshHint", own.has_refresh_hint(),
                                 own.refresh_hint(), settings.endpoint.refresh_hint));
  if (own.address().empty()) return settings;
  auto address = base::SocketAddress::Parse(own.address());
  if (!address.ok() || !address->UnixPath().empty()) {
    return Invalid("bundleEndpoint.address",
                   absl::StrCat("\"", own.address(), "\" is not \"ip:port\""));
  }
  settings.endpoint.address = *std::move(address);
  return settings;
}

}  // namespace kith::controlplane
