#include "source/controlplane/ca/join_tokens.h"

#include <openssl/sha.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "source/base/join_token.h"
#include "source/base/spiffe_id.h"
#include "source/base/status.h"
#include "source/controlplane/ca/json_member.h"
#include "source/controlplane/ca/refusal.h"
#include "source/x509/crypto.h"

namespace kith::controlplane {
namespace {

using nlohmann::json;

constexpr char kFile[] = "join-tokens.json";
constexpr size_t kSecretBytes = 32;
constexpr size_t kMaxToken = 128;

std::string Digest(absl::string_view token) {
  uint8_t digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const uint8_t*>(token.data()), token.size(), digest);
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest), sizeof(digest)));
}

absl::Status Bad(Refusal refusal, absl::string_view message) {
  return Refuse(absl::StatusCode::kUnauthenticated, refusal, absl::StrCat("join token: ", message));
}

std::string At(absl::Time time) { return absl::FormatTime(time, absl::UTCTimeZone()); }

}  // namespace

absl::StatusOr<std::unique_ptr<JoinTokens>> JoinTokens::Open(Options options) {
  std::unique_ptr<JoinTokens> tokens(new JoinTokens(std::move(options)));
  KITH_RETURN_IF_ERROR(tokens->Read());
  return tokens;
}

absl::Status JoinTokens::Read() {
  KITH_ASSIGN_OR_RETURN(const std::optional<std::string> text, options_.state->Read(kFile));
  if (!text.has_value()) return absl::OkStatus();
  const json document = json::parse(*text, nullptr, /*allow_exceptions=*/false);
  const auto listed = document.is_object() ? document.find("tokens") : document.end();
  if (!document.is_object() || listed == document.end() || !listed->is_array()) {
    return absl::FailedPreconditionError(
        absl::StrCat(options_.state->File(kFile),
                     ": is damaged; remove it, which ends every join token that is not used yet"));
  }
  for (const json& each : *listed) {
    Entry entry;
    entry.name_space = TextOf(each, "namespace");
    entry.service_account = TextOf(each, "serviceAccount");
    entry.token_id = TextOf(each, "id");
    entry.expires = absl::FromUnixSeconds(static_cast<int64_t>(NumberOf(each, "expires")));
    if (const uint64_t used = NumberOf(each, "used"); used != 0) {
      entry.used = absl::FromUnixSeconds(static_cast<int64_t>(used));
    }
    entries_[TextOf(each, "digest")] = std::move(entry);
  }
  return absl::OkStatus();
}

absl::Status JoinTokens::Write() const {
  json listed = json::array();
  for (const auto& [digest, entry] : entries_) {
    json each = {{"digest", digest},
                 {"namespace", entry.name_space},
                 {"serviceAccount", entry.service_account},
                 {"id", entry.token_id},
                 {"expires", absl::ToUnixSeconds(entry.expires)}};
    if (entry.used != absl::InfiniteFuture()) each["used"] = absl::ToUnixSeconds(entry.used);
    listed.push_back(std::move(each));
  }
  return options_.state->Write(kFile, json{{"tokens", std::move(listed)}}.dump(), 0600);
}

void JoinTokens::Prune(absl::Time now) {
  std::erase_if(entries_, [now](const auto& each) { return each.second.expires <= now; });
}

absl::StatusOr<JoinTokens::Made> JoinTokens::Create(absl::string_view name_space,
                                                    absl::string_view service_account,
                                                    absl::Duration ttl, absl::string_view peer) {
  const absl::StatusOr<base::SpiffeId> id =
      base::SpiffeId::ForServiceAccount(options_.trust_domain, name_space, service_account);
  if (!id.ok()) return base::Annotate(id.status(), "make a join token");
  if (ttl < absl::Seconds(1) || ttl > options_.max_ttl) {
    return absl::InvalidArgumentError(
        absl::StrCat("make a join token: a lifetime of ", absl::FormatDuration(ttl),
                     " is not between 1s and ", absl::FormatDuration(options_.max_ttl)));
  }
  const absl::Time now = options_.clock->Now();
  Made made;
  made.token = absl::StrCat(base::kJoinTokenPrefix,
                            absl::WebSafeBase64Escape(x509::RandomBytes(kSecretBytes)));
  made.token_id = absl::BytesToHexString(x509::RandomBytes(16));
  made.expires = absl::FromUnixSeconds(absl::ToUnixSeconds(now + ttl));
  AuditEntry entry;
  entry.event = AuditEvent::kToken;
  entry.spiffe_id = id->text();
  entry.not_before = now;
  entry.not_after = made.expires;
  entry.token_id = made.token_id;
  entry.peer = std::string(peer);
  entry.detail = "join token";

  const std::lock_guard<std::mutex> lock(mutex_);
  Prune(now);
  if (entries_.size() >= options_.max_open) {
    return absl::ResourceExhaustedError(
        absl::StrCat("make a join token: ", entries_.size(),
                     " have not ended yet; use them, or wait for their end"));
  }
  KITH_RETURN_IF_ERROR(options_.audit->Append(entry));
  const std::string digest = Digest(made.token);
  entries_[digest] = {std::string(name_space), std::string(service_account), made.token_id,
                      made.expires};
  if (absl::Status written = Write(); !written.ok()) {
    entries_.erase(digest);
    return written;
  }
  return made;
}

absl::StatusOr<Caller> JoinTokens::Redeem(absl::string_view token) {
  if (token.size() > kMaxToken) return Bad(Refusal::kTokenTooLarge, "it is too long to be one");
  const absl::Time now = options_.clock->Now();
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = entries_.find(Digest(token));
  if (found == entries_.end()) {
    return Bad(Refusal::kTokenUnknownKey,
               "it is not known here; it may have ended. Make another one");
  }
  Entry& entry = found->second;
  if (entry.used != absl::InfiniteFuture()) {
    return Bad(Refusal::kTokenUsed,
               absl::StrCat("it was used at ", At(entry.used),
                            "; if not by this machine, somebody else has it: revoke ",
                            entry.name_space, "/", entry.service_account));
  }
  if (entry.expires <= now) {
    return Bad(Refusal::kTokenExpired,
               absl::StrCat("it expired at ", At(entry.expires), "; make a new one"));
  }
  entry.used = now;
  if (const absl::Status written = Write(); !written.ok()) {
    entry.used = absl::InfiniteFuture();
    return Refuse(absl::StatusCode::kUnavailable, Refusal::kInternal, written.message());
  }
  Caller caller;
  caller.name_space = entry.name_space;
  caller.service_account = entry.service_account;
  caller.token_id = entry.token_id;
  caller.expires = entry.expires;
  caller.replace_token_from = absl::InfinitePast();
  return caller;
}

absl::StatusOr<Caller> JoiningVerifier::Verify(absl::string_view token) const {
  return absl::StartsWith(token, base::kJoinTokenPrefix) ? joins_.Redeem(token)
                                                         : others_.Verify(token);
}

}  // namespace kith::controlplane
