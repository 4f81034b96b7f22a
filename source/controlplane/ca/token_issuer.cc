#include "source/controlplane/ca/token_issuer.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "source/base/spiffe_id.h"
#include "source/base/status.h"
#include "source/controlplane/ca/caller.h"
#include "source/x509/crypto.h"

namespace kith::controlplane {
namespace {

constexpr size_t kMaxName = 253;  // What the verifier accepts.

std::string Part(const nlohmann::json& object) { return absl::WebSafeBase64Escape(object.dump()); }

}  // namespace

absl::StatusOr<TokenIssuer::Options> TokenIssuer::Options::From(
    const kith::config::v1::ControlPlaneConfig& config) {
  Options options;
  const auto& tokens = config.tokens();
  if (!config.trust_domain().empty()) options.trust_domain = config.trust_domain();
  if (!tokens.issuer().empty()) options.issuer = tokens.issuer();
  if (!tokens.audience().empty()) options.audience = tokens.audience();
  if (tokens.has_max_ttl()) {
    options.max_ttl =
        absl::Seconds(tokens.max_ttl().seconds()) + absl::Nanoseconds(tokens.max_ttl().nanos());
    if (options.max_ttl < absl::Seconds(1) || options.max_ttl > absl::Hours(24 * 3650)) {
      return absl::InvalidArgumentError("tokens.max_ttl: is not between 1s and 87600h");
    }
  }
  options.joined_ttl = std::min(options.joined_ttl, options.max_ttl);
  if (tokens.has_joined_ttl()) {
    options.joined_ttl = absl::Seconds(tokens.joined_ttl().seconds());
    if (options.joined_ttl < absl::Seconds(2) || options.joined_ttl > options.max_ttl) {
      return absl::InvalidArgumentError("tokens.joined_ttl: is not between 2s and tokens.max_ttl");
    }
  }
  return options;
}

absl::StatusOr<IssuedToken> TokenIssuer::Create(absl::string_view name_space,
                                                absl::string_view service_account,
                                                absl::Duration ttl, absl::string_view peer) const {
  return Make({name_space, service_account, ttl, peer});
}

absl::StatusOr<IssuedToken> TokenIssuer::CreateJoined(absl::string_view name_space,
                                                      absl::string_view service_account,
                                                      absl::string_view peer) const {
  return Make({name_space, service_account, options_.joined_ttl, peer, true});
}

absl::StatusOr<IssuedToken> TokenIssuer::Make(const Wish& wish) const {
  const auto& [name_space, service_account, ttl, peer, joined] = wish;
  if (name_space.size() > kMaxName || service_account.size() > kMaxName) {
    return absl::InvalidArgumentError(
        absl::StrCat("make a token: a name is longer than ", kMaxName, " bytes"));
  }
  absl::StatusOr<base::SpiffeId> id =
      base::SpiffeId::ForServiceAccount(options_.trust_domain, name_space, service_account);
  if (!id.ok()) return base::Annotate(id.status(), "make a token");
  if (ttl < absl::Seconds(1) || ttl > options_.max_ttl) {
    return absl::InvalidArgumentError(absl::StrCat(
        "make a token: a lifetime of ", absl::FormatDuration(ttl), " is not between 1s and ",
        absl::FormatDuration(options_.max_ttl), " (tokens.max_ttl)"));
  }
  const absl::Time now = options_.clock->Now();
  const int64_t issued_at = absl::ToUnixSeconds(now);
  const int64_t expires = absl::ToUnixSeconds(now + ttl);
  IssuedToken made;
  made.expires = absl::FromUnixSeconds(expires);
  made.token_id = absl::BytesToHexString(x509::RandomBytes(16));
  nlohmann::json header = {{"alg", "ES256"}, {"kid", options_.key->id()}, {"typ", "JWT"}};
  nlohmann::json claims = {
      {"iss", options_.issuer},
      {"aud", nlohmann::json::array({options_.audience})},
      {"sub", absl::StrCat("system:serviceaccount:", name_space, ":", service_account)},
      {"iat", issued_at},
      {"nbf", issued_at},
      {"exp", expires},
      {"jti", made.token_id},
      {"kubernetes.io",
       {{"namespace", std::string(name_space)},
        {"serviceaccount", {{"name", std::string(service_account)}}}}},
  };
  if (joined) claims[kJoinedClaim] = true;
  std::string signed_part = absl::StrCat(Part(header), ".", Part(claims));
  KITH_ASSIGN_OR_RETURN(std::string signature, options_.key->Sign(signed_part));
  made.token = absl::StrCat(signed_part, ".", absl::WebSafeBase64Escape(signature));

  AuditEntry entry;
  entry.event = AuditEvent::kToken;
  entry.spiffe_id = id->text();
  entry.not_before = now;
  entry.not_after = made.expires;
  entry.token_id = made.token_id;
  entry.peer = std::string(peer);
  KITH_RETURN_IF_ERROR(options_.audit->Append(entry));
  return made;
}

}  // namespace kith::controlplane
