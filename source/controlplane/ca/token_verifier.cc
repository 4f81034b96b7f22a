#include "source/controlplane/ca/token_verifier.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "source/base/status.h"
#include "source/controlplane/ca/refusal.h"
#include "source/jwt/claims.h"
#include "source/jwt/token.h"

namespace kith::controlplane {
namespace {

using jwt::HasAudience;
using jwt::Presence;
using jwt::TextClaim;
using jwt::TimeClaim;
using nlohmann::json;

constexpr size_t kMaxName = 253;                     // Of a Kubernetes object.
constexpr absl::Duration kSkew = absl::Seconds(60);  // How far `nbf` and `iat` may lie ahead.

absl::Status Bad(Refusal refusal, absl::string_view message) {
  return Refuse(absl::StatusCode::kUnauthenticated, refusal, absl::StrCat("token: ", message));
}

// A claim as it may be shown: what a stranger wrote is cut and escaped.
std::string Shown(const std::string& text) { return absl::CHexEscape(text.substr(0, 80)); }

std::string At(absl::Time time) { return absl::FormatTime(time, absl::UTCTimeZone()); }

absl::Status CheckExpiry(const Caller& caller, absl::Time now) {
  if (caller.expires > now) return absl::OkStatus();
  return Bad(Refusal::kTokenExpired,
             absl::StrCat("it expired at ", At(caller.expires), "; make a new one"));
}

// `begins`: before then it would be refused.
absl::Status CheckTimes(const json& claims, absl::Time now, Caller& caller, absl::Time& begins) {
  switch (TimeClaim(claims, "exp", caller.expires)) {
    case Presence::kAbsent:
      return Bad(Refusal::kTokenExpired, "it has no expiry (exp)");
    case Presence::kBad:
      return Bad(Refusal::kTokenMalformed, "its expiry (exp) is not a time");
    case Presence::kGood:
      break;
  }
  KITH_RETURN_IF_ERROR(CheckExpiry(caller, now));
  for (const char* claim : {"nbf", "iat"}) {
    absl::Time time;
    Presence presence = TimeClaim(claims, claim, time);
    if (presence == Presence::kBad) {
      return Bad(Refusal::kTokenMalformed, absl::StrCat("its ", claim, " is not a time"));
    }
    if (presence == Presence::kAbsent) continue;
    if (time > now + kSkew) {
      return Bad(Refusal::kTokenNotYetValid,
                 absl::StrCat("it is valid only from ", At(time), "; compare the clocks"));
    }
    begins = std::max(begins, time - kSkew);
  }
  return absl::OkStatus();
}

// "system:serviceaccount:<namespace>:<service account>"; where the claim "kubernetes.io" is there,
// it must say the same.
absl::Status TakeSubject(const json& claims, Caller& caller) {
  const std::string* subject = TextClaim(claims, "sub");
  absl::string_view names = subject == nullptr ? "" : absl::string_view(*subject);
  size_t colon = absl::string_view::npos;
  if (absl::ConsumePrefix(&names, "system:serviceaccount:")) colon = names.find(':');
  if (colon == absl::string_view::npos) {
    return Bad(Refusal::kTokenSubject, "its subject is not a service account");
  }
  caller.name_space = std::string(names.substr(0, colon));
  caller.service_account = std::string(names.substr(colon + 1));
  for (const std::string* name : {&caller.name_space, &caller.service_account}) {
    if (name->size() > kMaxName || !base::IsSpiffeSegment(*name)) {
      return Bad(Refusal::kTokenSubject,
                 absl::StrCat("\"", Shown(*name), "\" cannot be part of a SPIFFE ID"));
    }
  }
  auto details = claims.find("kubernetes.io");
  if (details == claims.end()) return absl::OkStatus();
  const std::string* name_space = details->is_object() ? TextClaim(*details, "namespace") : nullptr;
  const std::string* account = nullptr;
  if (name_space != nullptr) {
    auto found = details->find("serviceaccount");
    if (found != details->end() && found->is_object()) account = TextClaim(*found, "name");
  }
  if (name_space == nullptr || account == nullptr || *name_space != caller.name_space ||
      *account != caller.service_account) {
    return Bad(Refusal::kTokenSubject, "its subject and its claim kubernetes.io disagree");
  }
  if (const auto pod = details->find("pod"); pod != details->end() && pod->is_object()) {
    if (const std::string* name = TextClaim(*pod, "name")) caller.pod = Shown(*name);
  }
  return absl::OkStatus();
}

// A token that a join gave is replaced at half of its life (join_tokens.h).
void TakeJoined(const json& claims, Caller& caller) {
  absl::Time issued;
  const auto joined = claims.find(kJoinedClaim);
  if (joined == claims.end() || *joined != true ||
      TimeClaim(claims, "iat", issued) != Presence::kGood) {
    return;
  }
  caller.replace_token_from = issued + (caller.expires - issued) / 2;
}

// By `keys`, which are the issuer's present ones; null: it has none.
absl::Status CheckSignature(const TrustedIssuer& issuer, const jwt::KeySet* keys,
                            const jwt::Token& token) {
  // The algorithm is ours to choose, not the token's: it is looked at before any key is.
  jwt::Algorithm algorithm;
  const bool known = jwt::AlgorithmOf(token.algorithm, algorithm);
  const auto& allowed = issuer.algorithms;
  if (!known ||
      (!allowed.empty() && std::find(allowed.begin(), allowed.end(), algorithm) == allowed.end())) {
    return Bad(Refusal::kTokenAlgorithm, "it is not signed as its issuer's tokens are");
  }
  if (token.key_id.empty()) {
    return Bad(Refusal::kTokenUnknownKey, "it does not say which key signed it (kid)");
  }
  const auto verdict =
      keys == nullptr ? jwt::KeySet::Verdict::kNoKey
                      : keys->Verify(algorithm, token.key_id, token.signed_part, token.signature);
  switch (verdict) {
    case jwt::KeySet::Verdict::kGood:
      return absl::OkStatus();
    case jwt::KeySet::Verdict::kBadSignature:
      return Bad(Refusal::kTokenSignature, "its signature is wrong");
    case jwt::KeySet::Verdict::kNoKey:
      break;
  }
  issuer.key_missing();
  return Bad(Refusal::kTokenUnknownKey,
             absl::StrCat("it is signed by a key that is not known here; ", issuer.key_hint));
}

}  // namespace

TrustedIssuer OwnIssuer(const TokenKey& key, std::string issuer, std::string audience) {
  TrustedIssuer own;
  own.issuer = std::move(issuer);
  own.audiences = {std::move(audience)};
  own.algorithms = {jwt::Algorithm::kEs256};
  own.keys = [keys = key.Public()] { return keys; };
  own.key_hint = "was it made by another control plane?";
  own.own = true;
  return own;
}

std::shared_ptr<const VerifiedTokens::Entry> JwtVerifier::Known(
    const VerifiedTokens::Digest& digest) const {
  std::shared_ptr<const VerifiedTokens::Entry> entry = known_.Find(digest);
  if (entry == nullptr || entry->begins > clock_->Now()) return nullptr;
  // A set that was fetched again, or is too old to be believed, is another one, or none.
  return issuers_[entry->issuer].keys() == entry->keys ? entry : nullptr;
}

absl::StatusOr<Caller> JwtVerifier::Verify(absl::string_view text) const {
  if (text.size() > jwt::kMaxTokenBytes) {
    return Bad(Refusal::kTokenTooLarge,
               absl::StrCat(text.size(), " bytes; at most ", jwt::kMaxTokenBytes, " are read"));
  }
  const VerifiedTokens::Digest digest = VerifiedTokens::DigestOf(text);
  if (const auto known = Known(digest); known != nullptr) {
    KITH_RETURN_IF_ERROR(CheckExpiry(known->caller, clock_->Now()));
    return known->caller;
  }
  KITH_ASSIGN_OR_RETURN(VerifiedTokens::Entry verified, VerifyAnew(text));
  Caller caller = verified.caller;
  known_.Add(digest, std::move(verified));
  return caller;
}

absl::StatusOr<VerifiedTokens::Entry> JwtVerifier::VerifyAnew(absl::string_view text) const {
  const absl::StatusOr<jwt::Token> token = jwt::ParseToken(text);
  if (!token.ok()) return Bad(Refusal::kTokenMalformed, token.status().message());

  // Not believed yet: it only chooses whose keys are tried.
  const std::string* named = TextClaim(token->claims, "iss");
  const auto issuer = std::find_if(
      issuers_.begin(), issuers_.end(),
      [named](const TrustedIssuer& each) { return named != nullptr && each.issuer == *named; });
  if (issuer == issuers_.end()) {
    return Bad(Refusal::kTokenIssuer,
               absl::StrCat("its issuer \"", Shown(named == nullptr ? "" : *named),
                            "\" is not one of those that are trusted (tokens.issuers)"));
  }
  VerifiedTokens::Entry verified;
  verified.issuer = static_cast<size_t>(issuer - issuers_.begin());
  verified.keys = issuer->keys();
  KITH_RETURN_IF_ERROR(CheckSignature(*issuer, verified.keys.get(), *token));
  if (!HasAudience(token->claims, issuer->audiences)) {
    return Bad(Refusal::kTokenAudience,
               absl::StrCat("it is not meant for the audience \"",
                            absl::StrJoin(issuer->audiences, "\" or \""), "\""));
  }
  Caller& caller = verified.caller;
  KITH_RETURN_IF_ERROR(CheckTimes(token->claims, clock_->Now(), caller, verified.begins));
  KITH_RETURN_IF_ERROR(TakeSubject(token->claims, caller));
  if (!issuer->namespaces.empty() && std::find(issuer->namespaces.begin(), issuer->namespaces.end(),
                                               caller.name_space) == issuer->namespaces.end()) {
    return Bad(Refusal::kTokenSubject,
               absl::StrCat("its issuer may not speak for the namespace ", caller.name_space));
  }
  if (const std::string* id = TextClaim(token->claims, "jti")) caller.token_id = Shown(*id);
  if (issuer->own) TakeJoined(token->claims, caller);
  return verified;
}

}  // namespace kith::controlplane
