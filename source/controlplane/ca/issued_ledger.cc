#include "source/controlplane/ca/issued_ledger.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "source/controlplane/ca/json_member.h"

namespace kith::controlplane {
namespace {

constexpr absl::string_view kEnd = R"("not_after":")";

// Whether the line is of a certificate that has not ended. Times of the log are all written alike,
// so that they compare as text; only what passes is parsed.
bool MayBeLive(absl::string_view line, absl::string_view now) {
  const size_t at = line.find(kEnd);
  return at != absl::string_view::npos && line.substr(at + kEnd.size(), now.size()) > now &&
         absl::StrContains(line, R"("decision":"issued")") &&
         absl::StrContains(line, R"("serial":")");
}

}  // namespace

absl::Status IssuedLedger::Restore(const std::string& path, absl::Time now) {
  std::ifstream file(path);
  if (!file) {
    if (errno == ENOENT) return absl::OkStatus();
    return absl::FailedPreconditionError(
        absl::StrCat("read audit log ", path, ": ", std::strerror(errno)));
  }
  const std::string text = absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", now, absl::UTCTimeZone());
  for (std::string line; std::getline(file, line);) {
    if (!MayBeLive(line, text)) continue;
    const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    // A damaged line is for `kithctl ca audit verify` to report; the start does not depend on it.
    if (!json.is_object()) continue;
    Certificate certificate;
    std::string error;
    if (!absl::ParseTime(absl::RFC3339_full, TextOf(json, "not_after"), &certificate.not_after,
                         &error)) {
      continue;
    }
    certificate.serial = TextOf(json, "serial");
    certificate.principal = TextOf(json, "spiffe_id");
    Note(certificate);
  }
  return absl::OkStatus();
}

void IssuedLedger::Note(const Certificate& certificate) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (live_.size() >= kMaxLive) {
    complete_ = false;
    return;
  }
  const auto principal = principals_.insert(certificate.principal).first;
  live_.insert_or_assign(certificate.serial, Entry{&*principal, certificate.not_after});
}

std::optional<IssuedLedger::Certificate> IssuedLedger::Find(absl::string_view serial) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = live_.find(serial);
  if (found == live_.end()) return std::nullopt;
  return Certificate{found->first, *found->second.principal, found->second.not_after};
}

std::vector<IssuedLedger::Certificate> IssuedLedger::OfPrincipal(absl::string_view principal,
                                                                 absl::Time now) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<Certificate> found;
  const auto known = principals_.find(principal);
  if (known == principals_.end()) return found;
  for (const auto& [serial, entry] : live_) {
    if (entry.principal == &*known && entry.not_after > now) {
      found.push_back({serial, *entry.principal, entry.not_after});
    }
  }
  return found;
}

void IssuedLedger::Prune(absl::Time now) {
  const std::lock_guard<std::mutex> lock(mutex_);
  absl::erase_if(live_, [now](const auto& each) { return each.second.not_after <= now; });
  if (live_.empty()) {
    principals_.clear();
    complete_ = true;
  }
}

size_t IssuedLedger::size() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return live_.size();
}

bool IssuedLedger::complete() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return complete_;
}

}  // namespace kith::controlplane
