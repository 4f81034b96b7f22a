#include "source/controlplane/ca/leaf_horizon.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "source/base/status.h"
#include "source/controlplane/ca/refusal.h"

namespace kith::controlplane {
namespace {

using Json = nlohmann::json;

constexpr char kFile[] = "leaf-horizon.json";
constexpr int kWritesPerLifetime = 64;

}  // namespace

absl::StatusOr<std::unique_ptr<LeafHorizon>> LeafHorizon::Load(const StateDirectory& state) {
  std::unique_ptr<LeafHorizon> horizon(new LeafHorizon(state));
  KITH_ASSIGN_OR_RETURN(const std::optional<std::string> text, state.Read(kFile));
  if (!text.has_value()) return horizon;
  const Json json = Json::parse(*text, nullptr, /*allow_exceptions=*/false);
  const std::lock_guard<std::mutex> lock(horizon->mutex_);
  bool good = json.is_object();
  if (good) {
    for (const auto& [root, end] : json.items()) {
      good = good && end.is_number_integer();
      if (good) horizon->ends_[root] = absl::FromUnixSeconds(end.get<int64_t>());
    }
  }
  if (good) return horizon;
  return absl::FailedPreconditionError(absl::StrCat(
      state.File(kFile),
      ": is not what was written there; restore it from a backup, or remove it and rotate no root "
      "until the longest lifetime of a certificate has passed"));
}

absl::Status LeafHorizon::Save() const {
  Json json = Json::object();
  for (const auto& [root, end] : ends_) json[root] = absl::ToUnixSeconds(end);
  return state_.Write(kFile, json.dump() + "\n", 0600);
}

absl::Status LeafHorizon::Cover(const std::string& root_key_id, absl::Time not_after,
                                absl::Duration lifetime) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto known = ends_.find(root_key_id);
  if (known != ends_.end() && not_after <= known->second) return absl::OkStatus();
  const absl::Duration ahead =
      std::max(absl::Duration(absl::Seconds(1)), lifetime / kWritesPerLifetime);
  const std::optional<absl::Time> before =
      known == ends_.end() ? std::nullopt : std::optional<absl::Time>(known->second);
  // Whole seconds are kept: rounded up, never down.
  ends_[root_key_id] = absl::FromUnixSeconds(absl::ToUnixSeconds(not_after + ahead) + 1);
  absl::Status saved = Save();
  if (saved.ok()) return saved;
  if (before.has_value()) {
    ends_[root_key_id] = *before;
  } else {
    ends_.erase(root_key_id);
  }
  return Refuse(absl::StatusCode::kUnavailable, Refusal::kAuditUnavailable, saved.message());
}

absl::Time LeafHorizon::End(const std::string& root_key_id) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = ends_.find(root_key_id);
  return found == ends_.end() ? absl::InfinitePast() : found->second;
}

bool LeafHorizon::Knows(const std::string& root_key_id) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return ends_.contains(root_key_id);
}

void LeafHorizon::Forget(const std::string& root_key_id) {
  const std::lock_guard<std::mutex> lock(mutex_);
  // Kept on the disk until the next write, where it does no harm.
  ends_.erase(root_key_id);
}

}  // namespace kith::controlplane
