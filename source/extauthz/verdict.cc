#include "source/extauthz/verdict.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "source/http/characters.h"

namespace kith::extauthz {

bool MayEdit(absl::string_view name) {
  const bool token = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return http::Is(http::kTokenChar, c);
  });
  if (!token || http::IsHopByHop(name)) return false;
  // What is decided by them was decided before, or stays for the sidecar to say.
  for (const absl::string_view fixed :
       {"host", "content-length", "transfer-encoding", "expect", "x-forwarded-client-cert"}) {
    if (absl::EqualsIgnoreCase(name, fixed)) return false;
  }
  return true;
}

bool IsSoundValue(absl::string_view value) {
  return std::all_of(value.begin(), value.end(),
                     [](char c) { return http::Is(http::kValueChar, c); });
}

}  // namespace kith::extauthz
