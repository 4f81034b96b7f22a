#include "source/jwt/claims.h"

#include <algorithm>

namespace kith::jwt {
namespace {

using nlohmann::json;

// The last second that RFC 3339 can write; what lies beyond is a mistake or an attempt.
constexpr double kLatestTime = 253402300799.0;

}  // namespace

Presence TimeClaim(const json& claims, const char* name, absl::Time& time) {
  const auto found = claims.find(name);
  if (found == claims.end()) return Presence::kAbsent;
  if (!found->is_number()) return Presence::kBad;
  const double seconds = found->get<double>();
  if (!(seconds >= 0 && seconds <= kLatestTime)) return Presence::kBad;
  time = absl::UnixEpoch() + absl::Seconds(seconds);
  return Presence::kGood;
}

const std::string* TextClaim(const json& claims, const char* name) {
  const auto found = claims.find(name);
  return found == claims.end() ? nullptr : found->get_ptr<const std::string*>();
}

bool HasAudience(const json& claims, const std::vector<std::string>& audiences) {
  const auto found = claims.find("aud");
  if (found == claims.end()) return false;
  const auto fits = [&audiences](const json& value) {
    const auto* text = value.get_ptr<const std::string*>();
    return text != nullptr &&
           std::find(audiences.begin(), audiences.end(), *text) != audiences.end();
  };
  if (found->is_array()) return std::any_of(found->begin(), found->end(), fits);
  return fits(*found);
}

}  // namespace kith::jwt
