#include "source/controlplane/ca/token_verifier.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "source/base/status.h"
#include "source/controlplane/ca/jwt.h"
#include "source/controlplane/ca/refusal.h"

namespace kith::controlplane {
namespace {

using nlohmann::json;

constexpr size_t kMaxName = 253;  // Of a Kubernetes object.
// The last second that RFC 3339 can write; what lies beyond is a mistake or an attempt.
constexpr double kLatestTime = 253402300799.0;

absl::Status Bad(Refusal refusal, absl::string_view message) {
  return Refuse(absl::StatusCode::kUnauthenticated, refusal, absl::StrCat("token: ", message));
}

// A claim as it may be shown: what a stranger wrote is cut and escaped.
std::string Shown(const std::string& text) { return absl::CHexEscape(text.substr(0, 80)); }

// Null unless it is there and a string.
const std::string* Text(const json& object, const char* key) {
  auto found = object.find(key);
  return found == object.end() ? nullptr : found->get_ptr<const std::string*>();
}

enum class Presence { kAbsent, kGood, kBad };

Presence TimeClaim(const json& claims, const char* key, absl::Time& time) {
  auto found = claims.find(key);
  if (found == claims.end()) return Presence::kAbsent;
  if (!found->is_number()) return Presence::kBad;
  double seconds = found->get<double>();
  if (!(seconds >= 0 && seconds <= kLatestTime)) return Presence::kBad;
  time = absl::UnixEpoch() + absl::Seconds(seconds);
  return Presence::kGood;
}

bool HasAudience(const json& claims, const std::string& audience) {
  auto found = claims.find("aud");
  if (found == claims.end()) return false;
  auto equals = [&audience](const json& value) {
    const std::string* text = value.get_ptr<const std::string*>();
    return text != nullptr && *text == audience;
  };
  if (found->is_array()) return std::any_of(found->begin(), found->end(), equals);
  return equals(*found);
}

std::string At(absl::Time time) { return absl::FormatTime(time, absl::UTCTimeZone()); }

absl::Status CheckTimes(const json& claims, absl::Time now, absl::Duration skew, Caller& caller) {
  switch (TimeClaim(claims, "exp", caller.expires)) {
    case Presence::kAbsent:
      return Bad(Refusal::kTokenExpired, "it has no expiry (exp)");
    case Presence::kBad:
      return Bad(Refusal::kTokenMalformed, "its expiry (exp) is not a time");
    case Presence::kGood:
      break;
  }
  if (caller.expires <= now) {
    return Bad(Refusal::kTokenExpired,
               absl::StrCat("it expired at ", At(caller.expires), "; make a new one"));
  }
  for (const char* claim : {"nbf", "iat"}) {
    absl::Time time;
    Presence presence = TimeClaim(claims, claim, time);
    if (presence == Presence::kBad) {
      return Bad(Refusal::kTokenMalformed, absl::StrCat("its ", claim, " is not a time"));
    }
    if (presence == Presence::kGood && time > now + skew) {
      return Bad(Refusal::kTokenNotYetValid,
                 absl::StrCat("it is valid only from ", At(time), "; compare the clocks"));
    }
  }
  return absl::OkStatus();
}

// "system:serviceaccount:<namespace>:<service account>"; where the claim "kubernetes.io" is there,
// it must say the same.
absl::Status TakeSubject(const json& claims, Caller& caller) {
  const std::string* subject = Text(claims, "sub");
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
  const std::string* name_space = details->is_object() ? Text(*details, "namespace") : nullptr;
  const std::string* account = nullptr;
  if (name_space != nullptr) {
    auto found = details->find("serviceaccount");
    if (found != details->end() && found->is_object()) account = Text(*found, "name");
  }
  if (name_space == nullptr || account == nullptr || *name_space != caller.name_space ||
      *account != caller.service_account) {
    return Bad(Refusal::kTokenSubject, "its subject and its claim kubernetes.io disagree");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Caller> LocalTokenVerifier::Verify(absl::string_view token) const {
  json header;
  json claims;
  absl::string_view signed_part;
  std::string signature;
  KITH_RETURN_IF_ERROR(ParseJwt(token, header, claims, signed_part, signature));

  // The algorithm is ours to choose, not the token's: anything but ES256 ends here, before a key is
  // ever looked at.
  const std::string* algorithm = Text(header, "alg");
  if (algorithm == nullptr || *algorithm != "ES256") {
    return Bad(Refusal::kTokenAlgorithm, "it is not signed with ES256");
  }
  if (header.contains("crit")) {
    return Bad(Refusal::kTokenMalformed, "it needs an extension (crit) that is not known here");
  }
  const std::string* key_id = Text(header, "kid");
  if (key_id == nullptr || *key_id != options_.key->id()) {
    return Bad(Refusal::kTokenUnknownKey,
               "it is signed by a key that this control plane does not have; was it made by "
               "another one?");
  }
  if (!options_.key->Verify(signed_part, signature)) {
    return Bad(Refusal::kTokenSignature, "its signature is wrong");
  }
  const std::string* issuer = Text(claims, "iss");
  if (issuer == nullptr || *issuer != options_.issuer) {
    return Bad(Refusal::kTokenIssuer,
               absl::StrCat("its issuer is \"", Shown(issuer == nullptr ? "" : *issuer),
                            "\", not \"", options_.issuer, "\""));
  }
  if (!HasAudience(claims, options_.audience)) {
    return Bad(Refusal::kTokenAudience,
               absl::StrCat("it is not meant for the audience \"", options_.audience, "\""));
  }
  Caller caller;
  KITH_RETURN_IF_ERROR(CheckTimes(claims, options_.clock->Now(), options_.skew, caller));
  KITH_RETURN_IF_ERROR(TakeSubject(claims, caller));
  if (const std::string* id = Text(claims, "jti")) caller.token_id = Shown(*id);
  return caller;
}

}  // namespace kith::controlplane
