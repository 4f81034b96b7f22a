#include "source/controlplane/kubernetes/token_review.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "nlohmann/json.hpp"
#include "source/base/status.h"
#include "source/controlplane/ca/refusal.h"
#include "source/jwt/token.h"
#include "source/kubernetes/json_read.h"
#include "source/x509/hash_chain.h"

namespace kith::controlplane {
namespace {

using kubernetes::Find;
using kubernetes::ParseJson;
using kubernetes::Text;
using nlohmann::json;

absl::Status Refused(Refusal refusal, absl::string_view why) {
  return Refuse(absl::StatusCode::kUnauthenticated, refusal, absl::StrCat("token: ", why));
}

bool Holds(const json* list, const std::string& text) {
  return list != nullptr && list->is_array() &&
         std::find(list->begin(), list->end(), json(text)) != list->end();
}

absl::StatusOr<json> Claims(absl::string_view token) {
  absl::StatusOr<jwt::Token> parsed = jwt::ParseToken(token);
  if (!parsed.ok()) return Refused(Refusal::kTokenMalformed, parsed.status().message());
  return std::move(parsed->claims);
}

// What the review's status proves.
absl::StatusOr<Caller> CallerOf(const json* status, const std::string& audience) {
  const json* authenticated = Find(status, "authenticated");
  if (authenticated == nullptr || *authenticated != true) {
    return Refused(Refusal::kTokenSignature,
                   "the cluster does not know it; is it expired, or of another cluster?");
  }
  // Without it the token may be one for the API server alone, which any pod may have lost.
  if (!Holds(Find(status, "audiences"), audience)) {
    return Refused(Refusal::kTokenAudience,
                   absl::StrCat("it is not for the audience ", audience,
                                "; mount a projected token with that audience"));
  }
  const json* user = Find(status, "user");
  const std::vector<std::string> parts = absl::StrSplit(Text(user, "username"), ':');
  const bool is_account = parts.size() == 4 && parts[0] == "system" &&
                          parts[1] == "serviceaccount" && !parts[2].empty() && !parts[3].empty() &&
                          Holds(Find(user, "groups"), "system:serviceaccounts");
  if (!is_account) return Refused(Refusal::kTokenSubject, "it is not of a service account");
  Caller caller;
  caller.name_space = parts[2];
  caller.service_account = parts[3];
  // The API server has just looked whether the pod is there.
  const json* pods = Find(Find(user, "extra"), "authentication.kubernetes.io/pod-name");
  if (pods != nullptr && pods->is_array() && pods->size() == 1 && pods->front().is_string()) {
    caller.pod = pods->front().get<std::string>();
  }
  return caller;
}

}  // namespace

absl::StatusOr<Caller> TokenReviewVerifier::Ask(absl::string_view token) const {
  // It is proved below; read here for when it ends, which a review does not say.
  KITH_ASSIGN_OR_RETURN(const json claims, Claims(token));
  const json request = {
      {"apiVersion", "authentication.k8s.io/v1"},
      {"kind", "TokenReview"},
      {"spec", {{"token", std::string(token)}, {"audiences", {options_.audience}}}}};
  const absl::StatusOr<std::string> answer =
      options_.client->Call("POST", "/apis/authentication.k8s.io/v1/tokenreviews", request.dump());
  if (!answer.ok()) {
    return absl::UnavailableError(
        absl::StrCat("token: it cannot be checked now: ", answer.status().message()));
  }
  const json review = ParseJson(*answer);
  KITH_ASSIGN_OR_RETURN(Caller caller, CallerOf(Find(&review, "status"), options_.audience));
  if (const json* end = Find(&claims, "exp"); end != nullptr && end->is_number_integer()) {
    caller.expires = absl::FromUnixSeconds(end->get<int64_t>());
  }
  if (caller.expires <= options_.clock->Now()) {
    return Refused(Refusal::kTokenExpired, "it says no end that lies ahead");
  }
  caller.token_id = Text(&claims, "jti");
  return caller;
}

absl::StatusOr<Caller> TokenReviewVerifier::Verify(absl::string_view token) const {
  if (token.size() > jwt::kMaxTokenBytes) return Refused(Refusal::kTokenTooLarge, "it is too long");
  const std::string digest = x509::Sha256Hex(token);
  const absl::Time now = options_.clock->Now();
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto known = known_.find(digest);
    if (known != known_.end() && known->second.until > now) return known->second.caller;
  }
  KITH_ASSIGN_OR_RETURN(Caller caller, Ask(token));
  const std::lock_guard<std::mutex> lock(mutex_);
  if (known_.size() >= options_.max_remembered) known_.clear();
  known_[digest] = {caller, std::min(now + options_.remembered, caller.expires)};
  return caller;
}

absl::StatusOr<Caller> EitherVerifier::Verify(absl::string_view token) const {
  KITH_ASSIGN_OR_RETURN(const json claims, Claims(token));
  const bool local = absl::c_linear_search(local_issuers_, Text(&claims, "iss"));
  return (local ? local_ : cluster_).Verify(token);
}

}  // namespace kith::controlplane
