#include "source/controlplane/ca/revocation_list.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "source/base/json_writer.h"
#include "source/base/spiffe_id.h"
#include "source/base/status.h"
#include "source/controlplane/ca/json_member.h"
#include "source/controlplane/ca/refusal.h"

namespace kith::controlplane {
namespace {

constexpr char kFile[] = "revocations.json";
constexpr size_t kMaxFile = 64 << 20;
constexpr size_t kMaxSerialHex = 40;  // 20 bytes, RFC 5280 §4.1.2.2.

std::string Rfc3339(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

bool ReadTime(const nlohmann::json& object, const char* key, absl::Time& time) {
  std::string error;
  return absl::ParseTime(absl::RFC3339_full, TextOf(object, key), &time, &error);
}

bool ReadReason(const nlohmann::json& object, x509::RevocationReason& reason) {
  auto parsed = x509::ParseRevocationReason(TextOf(object, "reason"));
  if (parsed.ok()) reason = *parsed;
  return parsed.ok();
}

// As people copy them: upper case, colons between the bytes.
absl::StatusOr<std::string> NormalSerial(absl::string_view typed) {
  std::string serial;
  for (const char c : typed) {
    if (c == ':') continue;
    if (!absl::ascii_isxdigit(static_cast<unsigned char>(c)) || serial.size() == kMaxSerialHex) {
      return absl::InvalidArgumentError(
          "serial: is not the hex of at most 20 bytes; kithctl certs show prints serials");
    }
    serial += absl::ascii_tolower(static_cast<unsigned char>(c));
  }
  if (serial.empty() || serial.size() % 2 != 0) {
    return absl::InvalidArgumentError("serial: has no or half a byte; give all of its digits");
  }
  return serial;
}

absl::StatusOr<std::string> NormalPrincipal(absl::string_view typed) {
  KITH_ASSIGN_OR_RETURN(const base::SpiffeId id, base::SpiffeId::Parse(typed));
  return id.text();
}

}  // namespace

absl::StatusOr<std::unique_ptr<RevocationList>> RevocationList::Open(Options options) {
  std::unique_ptr<RevocationList> list(new RevocationList(options));
  absl::StatusOr<std::string> text = ReadFile(options.state->File(kFile), kMaxFile);
  if (absl::IsNotFound(text.status())) return list;
  if (!text.ok()) return text.status();
  absl::StatusOr<State> state = Parse(*text);
  if (!state.ok()) {
    // To start without it would let what was revoked in again.
    return absl::FailedPreconditionError(
        absl::StrCat(options.state->File(kFile), ": ", state.status().message(),
                     "; restore it from a backup, or remove it and revoke again what must be"));
  }
  const std::lock_guard<std::mutex> lock(list->mutex_);
  list->state_ = *std::move(state);
  return list;
}

absl::StatusOr<RevocationList::State> RevocationList::Parse(const std::string& text) {
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  const absl::Status bad = absl::InvalidArgumentError("is not what the control plane wrote");
  if (!json.is_object() || !json.contains("crlNumber") || !json["crlNumber"].is_number_unsigned() ||
      !json.contains("serials") || !json["serials"].is_array() || !json.contains("principals") ||
      !json["principals"].is_array()) {
    return bad;
  }
  State state;
  state.number = json["crlNumber"].get<uint64_t>();
  for (const auto& each : json["serials"]) {
    Revocation revocation;
    if (!each.is_object() || !ReadTime(each, "at", revocation.at) ||
        !ReadTime(each, "notAfter", revocation.not_after) || !ReadReason(each, revocation.reason)) {
      return bad;
    }
    revocation.serial = TextOf(each, "serial");
    revocation.principal = TextOf(each, "principal");
    state.serials.emplace(revocation.serial, revocation);
  }
  for (const auto& each : json["principals"]) {
    BlockedPrincipal blocked;
    if (!each.is_object() || !ReadTime(each, "at", blocked.at) ||
        !ReadReason(each, blocked.reason)) {
      return bad;
    }
    state.principals.emplace(TextOf(each, "principal"), blocked);
  }
  return state;
}

std::string RevocationList::Format(const State& state) {
  std::string text;
  base::JsonWriter json(text);
  json.BeginObject();
  json.Key("crlNumber").Uint(state.number);
  json.Key("serials").BeginArray();
  for (const auto& [serial, revocation] : state.serials) {
    json.BeginObject();
    json.Key("serial").String(serial);
    json.Key("principal").String(revocation.principal);
    json.Key("reason").String(x509::Name(revocation.reason));
    json.Key("at").String(Rfc3339(revocation.at));
    json.Key("notAfter").String(Rfc3339(revocation.not_after));
    json.EndObject();
  }
  json.EndArray();
  json.Key("principals").BeginArray();
  for (const auto& [principal, blocked] : state.principals) {
    json.BeginObject();
    json.Key("principal").String(principal);
    json.Key("reason").String(x509::Name(blocked.reason));
    json.Key("at").String(Rfc3339(blocked.at));
    json.EndObject();
  }
  json.EndArray();
  json.EndObject();
  text += '\n';
  return text;
}

absl::Status RevocationList::Replace(State next) {
  next.number++;
  KITH_RETURN_IF_ERROR(options_.state->Write(kFile, Format(next), 0600));
  state_ = std::move(next);
  return absl::OkStatus();
}

absl::Status RevocationList::Audit(const Revocation& revocation, absl::string_view by) {
  AuditEntry entry;
  entry.event = AuditEvent::kRevocation;
  entry.spiffe_id = revocation.principal;
  entry.serial = revocation.serial;
  entry.peer = std::string(by);
  entry.detail = std::string(x509::Name(revocation.reason));
  return options_.audit->Append(entry);
}

absl::StatusOr<Revocation> RevocationList::RevokeSerial(absl::string_view serial,
                                                        x509::RevocationReason reason,
                                                        absl::string_view by) {
  KITH_ASSIGN_OR_RETURN(const std::string normal, NormalSerial(serial));
  Revocation revocation;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto known = state_.serials.find(normal);
    if (known != state_.serials.end()) return known->second;
    const auto issued = options_.ledger->Find(normal);
    if (!issued) {
      return absl::NotFoundError(
          absl::StrCat("serial ", normal,
                       ": no certificate that was issued here and has not ended has it; "
                       "kithctl ca audit show lists what was issued"));
    }
    if (state_.serials.size() >= kMaxSerials) {
      return absl::ResourceExhaustedError(
          absl::StrCat(kMaxSerials, " certificates are revoked already; rotate the root instead"));
    }
    revocation = {normal, issued->principal, reason, options_.clock->Now(), issued->not_after};
    State next = state_;
    next.serials.emplace(normal, revocation);
    KITH_RETURN_IF_ERROR(Replace(std::move(next)));
  }
  KITH_RETURN_IF_ERROR(Audit(revocation, by));
  return revocation;
}

absl::StatusOr<std::vector<Revocation>> RevocationList::RevokePrincipal(
    absl::string_view spiffe_id, x509::RevocationReason reason, absl::string_view by) {
  KITH_ASSIGN_OR_RETURN(const std::string principal, NormalPrincipal(spiffe_id));
  const absl::Time now = options_.clock->Now();
  std::vector<Revocation> revoked;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (state_.principals.size() >= kMaxPrincipals && !state_.principals.contains(principal)) {
      return absl::ResourceExhaustedError(
          absl::StrCat(kMaxPrincipals, " principals are revoked already"));
    }
    // The block comes first, and is in force whatever happens afterwards.
    State next = state_;
    next.principals.emplace(principal, BlockedPrincipal{reason, now});
    KITH_RETURN_IF_ERROR(Replace(next));
    for (const auto& issued : options_.ledger->OfPrincipal(principal, now)) {
      Revocation revocation{issued.serial, principal, reason, now, issued.not_after};
      if (!next.serials.emplace(issued.serial, revocation).second) continue;
      revoked.push_back(std::move(revocation));
    }
    if (next.serials.size() > kMaxSerials) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "with ", revoked.size(), " certificates of ", principal, " more than ", kMaxSerials,
          " would be revoked; nothing more is issued to it, but those it has stay "
          "valid: rotate the root"));
    }
    if (!revoked.empty()) KITH_RETURN_IF_ERROR(Replace(std::move(next)));
  }
  Revocation block;
  block.principal = principal;
  block.reason = reason;
  KITH_RETURN_IF_ERROR(Audit(block, by));
  for (const Revocation& each : revoked) KITH_RETURN_IF_ERROR(Audit(each, by));
  return revoked;
}

absl::Status RevocationList::UnrevokePrincipal(absl::string_view spiffe_id, absl::string_view by) {
  KITH_ASSIGN_OR_RETURN(const std::string principal, NormalPrincipal(spiffe_id));
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    State next = state_;
    if (next.principals.erase(principal) == 0) {
      return absl::NotFoundError(absl::StrCat(principal, ": is not revoked"));
    }
    KITH_RETURN_IF_ERROR(Replace(std::move(next)));
  }
  AuditEntry entry;
  entry.event = AuditEvent::kUnrevocation;
  entry.spiffe_id = principal;
  entry.peer = std::string(by);
  return options_.audit->Append(entry);
}

absl::Status RevocationList::CheckPrincipal(absl::string_view spiffe_id) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (state_.principals.empty()) return absl::OkStatus();
  const auto found = state_.principals.find(std::string(spiffe_id));
  if (found == state_.principals.end()) return absl::OkStatus();
  return Refuse(absl::StatusCode::kPermissionDenied, Refusal::kRevoked,
                absl::StrCat(spiffe_id, " was revoked at ", Rfc3339(found->second.at), " (",
                             x509::Name(found->second.reason),
                             "); kithctl ca unrevoke --principal lets it have certificates again"));
}

std::optional<Revocation> RevocationList::Find(absl::string_view serial) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = state_.serials.find(std::string(serial));
  if (found == state_.serials.end()) return std::nullopt;
  return found->second;
}

std::vector<Revocation> RevocationList::Serials() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<Revocation> all;
  for (const auto& [serial, revocation] : state_.serials) all.push_back(revocation);
  return all;
}

std::map<std::string, BlockedPrincipal> RevocationList::Principals() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return state_.principals;
}

uint64_t RevocationList::number() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return state_.number;
}

absl::StatusOr<uint64_t> RevocationList::TakeNumber() {
  const absl::Time now = options_.clock->Now();
  const std::lock_guard<std::mutex> lock(mutex_);
  State next = state_;
  std::erase_if(next.serials, [now](const auto& each) { return each.second.not_after < now; });
  KITH_RETURN_IF_ERROR(Replace(std::move(next)));
  return state_.number;
}

}  // namespace kith::controlplane
