#include "source/base/spiffe_id.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace kith::base {
namespace {

constexpr absl::string_view kScheme = "spiffe://";
constexpr size_t kMaxLength = 2048;
constexpr size_t kMaxTrustDomain = 255;

absl::Status Invalid(absl::string_view text, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("SPIFFE ID \"",
                                                 absl::CHexEscape(text.substr(0, 256)),
                                                 text.size() > 256 ? "…" : "", "\": ", what));
}

// The two names of /ns/<namespace>/sa/<service account>; false for any other path.
bool SplitMeshPath(absl::string_view path, absl::string_view& name_space,
                   absl::string_view& service_account) {
  if (!absl::ConsumePrefix(&path, "/ns/")) return false;
  size_t slash = path.find('/');
  if (slash == absl::string_view::npos) return false;
  name_space = path.substr(0, slash);
  path.remove_prefix(slash);
  if (!absl::ConsumePrefix(&path, "/sa/")) return false;
  service_account = path;
  return path.find('/') == absl::string_view::npos;
}

}  // namespace

bool IsTrustDomain(absl::string_view text) {
  if (text.empty() || text.size() > kMaxTrustDomain) return false;
  for (char c : text) {
    if (!absl::ascii_islower(c) && !absl::ascii_isdigit(c) && c != '.' && c != '-' && c != '_') {
      return false;
    }
  }
  return true;
}

bool IsSpiffeSegment(absl::string_view text) {
  if (text.empty() || text == "." || text == "..") return false;
  for (char c : text) {
    if (!absl::ascii_isalnum(c) && c != '.' && c != '-' && c != '_') return false;
  }
  return true;
}

SpiffeId::SpiffeId(std::string text)
    : text_(std::move(text)), path_begin_(text_.find('/', kScheme.size())) {
  if (path_begin_ == std::string::npos) path_begin_ = text_.size();
}

absl::StatusOr<SpiffeId> SpiffeId::Parse(absl::string_view text) {
  if (text.empty()) return Invalid(text, "it is empty");
  if (text.size() > kMaxLength) return Invalid(text, "it is longer than 2048 bytes");
  if (!absl::StartsWithIgnoreCase(text, kScheme)) {
    return Invalid(text, "it does not start with spiffe://");
  }
  absl::string_view rest = text.substr(kScheme.size());
  size_t slash = std::min(rest.find('/'), rest.size());
  std::string trust_domain = absl::AsciiStrToLower(rest.substr(0, slash));
  absl::string_view path = rest.substr(slash);
  if (!IsTrustDomain(trust_domain)) {
    return Invalid(text,
                   "its trust domain must be 1 to 255 of [a-z0-9._-], without port or user name");
  }
  if (!path.empty()) {
    for (absl::string_view segment : absl::StrSplit(path.substr(1), '/')) {
      if (!IsSpiffeSegment(segment)) {
        return Invalid(text, absl::StrCat("its path segment \"", absl::CHexEscape(segment),
                                          "\" must be of [A-Za-z0-9._-], not empty, \".\" or "
                                          "\"..\""));
      }
    }
  }
  return SpiffeId(absl::StrCat(kScheme, trust_domain, path));
}

absl::StatusOr<SpiffeId> SpiffeId::ForServiceAccount(absl::string_view trust_domain,
                                                     absl::string_view name_space,
                                                     absl::string_view service_account) {
  std::string text =
      absl::StrCat(kScheme, trust_domain, "/ns/", name_space, "/sa/", service_account);
  if (!IsTrustDomain(trust_domain)) {
    return Invalid(text, "its trust domain must be 1 to 255 of [a-z0-9._-]");
  }
  if (!IsSpiffeSegment(name_space)) return Invalid(text, "its namespace must be of [A-Za-z0-9._-]");
  if (!IsSpiffeSegment(service_account)) {
    return Invalid(text, "its service account must be of [A-Za-z0-9._-]");
  }
  if (text.size() > kMaxLength) return Invalid(text, "it is longer than 2048 bytes");
  return SpiffeId(std::move(text));
}

absl::string_view SpiffeId::trust_domain() const {
  return absl::string_view(text_).substr(kScheme.size(), path_begin_ - kScheme.size());
}

absl::string_view SpiffeId::path() const { return absl::string_view(text_).substr(path_begin_); }

absl::string_view SpiffeId::principal() const {
  return absl::string_view(text_).substr(std::min(kScheme.size(), text_.size()));
}

absl::string_view SpiffeId::name_space() const {
  absl::string_view name_space, service_account;
  return SplitMeshPath(path(), name_space, service_account) ? name_space : absl::string_view();
}

absl::string_view SpiffeId::service_account() const {
  absl::string_view name_space, service_account;
  return SplitMeshPath(path(), name_space, service_account) ? service_account : absl::string_view();
}

}  // namespace kith::base
