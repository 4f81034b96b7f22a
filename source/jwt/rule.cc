#include "source/jwt/rule.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "kith/security/v1/request_authentication.pb.h"
#include "source/base/status.h"
#include "source/http/characters.h"
#include "source/jwt/claims.h"

namespace kith::jwt {
namespace {

using nlohmann::json;

struct FailureEntry {
  absl::string_view name;
  absl::string_view text;
};

constexpr FailureEntry kFailures[] = {
    {"none", ""},
    {"bad_format",
     "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections"},
    {"several_tokens", "Several different Jwts were sent"},
    {"unknown_issuer", "Jwt issuer is not configured"},
    {"algorithm", "Jwt header [alg] is not supported"},
    {"no_keys", "Jwks remote fetch is failed"},
    {"no_key", "Jwks doesn't have key to match kid or alg from Jwt"},
    {"bad_signature", "Jwt verification fails"},
    {"expired", "Jwt is expired"},
    {"not_yet_valid", "Jwt not yet valid"},
    {"audience", "Audiences in Jwt are not allowed"},
};

absl::Status Invalid(absl::string_view field, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", what));
}

absl::Status CheckHeaderName(absl::string_view field, absl::string_view name) {
  if (name.empty()) return Invalid(field, "must not be empty");
  if (!std::all_of(name.begin(), name.end(),
                   [](char c) { return http::Is(http::kTokenChar, c); })) {
    return Invalid(field, absl::StrCat("\"", name, "\" is no header's name"));
  }
  return absl::OkStatus();
}

// A header that the sidecar itself writes: those that end or frame a message cannot be one.
absl::Status CheckOutputHeader(absl::string_view field, absl::string_view name) {
  KITH_RETURN_IF_ERROR(CheckHeaderName(field, name));
  for (const absl::string_view kept : {"host", "content-length", "transfer-encoding", "connection",
                                       "te", "upgrade", "trailer", "cookie", "x-request-id"}) {
    if (absl::EqualsIgnoreCase(name, kept)) {
      return Invalid(field,
                     absl::StrCat("\"", name, "\" belongs to the protocol; use another name"));
    }
  }
  return absl::OkStatus();
}

template <typename Values>
absl::Status CheckNames(absl::string_view field, const Values& values) {
  for (int i = 0; i < values.size(); ++i) {
    if (values.Get(i).empty())
      return Invalid(absl::StrCat(field, "[", i, "]"), "must not be empty");
  }
  return absl::OkStatus();
}

Failure CheckTimes(const json& claims, absl::Time now) {
  absl::Time expires;
  absl::Time begins;
  const Presence has_expiry = TimeClaim(claims, "exp", expires);
  const Presence has_begin = TimeClaim(claims, "nbf", begins);
  if (has_expiry == Presence::kBad || has_begin == Presence::kBad) return Failure::kBadFormat;
  if (has_begin == Presence::kGood && begins > now + kClockSkew) return Failure::kNotYetValid;
  if (has_expiry == Presence::kGood && expires + kClockSkew <= now) return Failure::kExpired;
  return Failure::kNone;
}

absl::Status TakeLocations(const security::v1::JWTRule& from, Rule& rule) {
  for (int i = 0; i < from.from_headers_size(); ++i) {
    const security::v1::JWTHeader& header = from.from_headers(i);
    KITH_RETURN_IF_ERROR(CheckHeaderName(absl::StrCat("fromHeaders[", i, "].name"), header.name()));
    rule.headers.push_back({header.name(), header.prefix()});
  }
  KITH_RETURN_IF_ERROR(CheckNames("fromParams", from.from_params()));
  KITH_RETURN_IF_ERROR(CheckNames("fromCookies", from.from_cookies()));
  rule.parameters = {from.from_params().begin(), from.from_params().end()};
  rule.cookies = {from.from_cookies().begin(), from.from_cookies().end()};
  if (rule.headers.empty() && rule.parameters.empty() && rule.cookies.empty()) {
    rule.headers.push_back({"Authorization", "Bearer "});
    rule.parameters.push_back("access_token");
  }
  return absl::OkStatus();
}

absl::Status TakeOutputs(const security::v1::JWTRule& from, Rule& rule) {
  rule.payload_header = from.output_payload_to_header();
  if (!rule.payload_header.empty()) {
    KITH_RETURN_IF_ERROR(CheckOutputHeader("outputPayloadToHeader", rule.payload_header));
  }
  for (int i = 0; i < from.output_claim_to_headers_size(); ++i) {
    const security::v1::ClaimToHeader& output = from.output_claim_to_headers(i);
    const std::string field = absl::StrCat("outputClaimToHeaders[", i, "]");
    KITH_RETURN_IF_ERROR(CheckOutputHeader(absl::StrCat(field, ".header"), output.header()));
    Rule::ClaimHeader taken{output.header(), absl::StrSplit(output.claim(), '.')};
    for (const std::string& step : taken.path) {
      if (step.empty()) {
        return Invalid(absl::StrCat(field, ".claim"),
                       "must be a claim's name, as in \"a\" or \"a.b\"");
      }
    }
    rule.claim_headers.push_back(std::move(taken));
  }
  rule.forward_token = from.forward_original_token();
  KITH_RETURN_IF_ERROR(CheckNames("spaceDelimitedClaims", from.space_delimited_claims()));
  rule.space_delimited = {from.space_delimited_claims().begin(),
                          from.space_delimited_claims().end()};
  return absl::OkStatus();
}

}  // namespace

absl::string_view TextOf(Failure failure) { return kFailures[static_cast<size_t>(failure)].text; }
absl::string_view NameOf(Failure failure) { return kFailures[static_cast<size_t>(failure)].name; }
int StatusOf(Failure failure) { return failure == Failure::kAudience ? 403 : 401; }

absl::StatusOr<Rule> Rule::Compile(const security::v1::JWTRule& from) {
  Rule rule;
  rule.issuer = from.issuer();
  if (rule.issuer.empty()) return Invalid("issuer", "is required");
  KITH_RETURN_IF_ERROR(CheckNames("audiences", from.audiences()));
  rule.audiences = {from.audiences().begin(), from.audiences().end()};
  if (!from.jwks().empty()) {
    auto keys = KeySet::Parse(from.jwks());
    if (!keys.ok()) return base::Annotate(keys.status(), "jwks");
    rule.keys = *std::move(keys);
  }
  KITH_RETURN_IF_ERROR(TakeLocations(from, rule));
  KITH_RETURN_IF_ERROR(TakeOutputs(from, rule));
  return rule;
}

Failure Rule::Verify(const Token& token, absl::Time now) const {
  const auto named = token.claims.find("iss");
  const auto* text = named == token.claims.end() ? nullptr : named->get_ptr<const std::string*>();
  if (text == nullptr || *text != issuer) return Failure::kUnknownIssuer;
  Algorithm algorithm;
  if (!AlgorithmOf(token.algorithm, algorithm)) return Failure::kAlgorithm;
  if (const Failure times = CheckTimes(token.claims, now); times != Failure::kNone) return times;
  if (keys == nullptr) return Failure::kNoKeys;
  switch (keys->Verify(algorithm, token.key_id, token.signed_part, token.signature)) {
    case KeySet::Verdict::kGood:
      break;
    case KeySet::Verdict::kNoKey:
      return Failure::kNoKey;
    case KeySet::Verdict::kBadSignature:
      return Failure::kBadSignature;
  }
  return audiences.empty() || HasAudience(token.claims, audiences) ? Failure::kNone
                                                                   : Failure::kAudience;
}

}  // namespace kith::jwt
