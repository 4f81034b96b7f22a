#include "source/policy/trust_domain.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace kith::policy {
namespace {

bool HasSuffixPattern(absl::string_view pattern, absl::string_view text) {
  return absl::ConsumePrefix(&pattern, "*") && absl::EndsWith(text, pattern);
}

bool HasPrefixPattern(absl::string_view pattern, absl::string_view text) {
  return absl::ConsumeSuffix(&pattern, "*") && absl::StartsWith(text, pattern);
}

// Either side may carry a wildcard.
bool SameTrustDomain(absl::string_view a, absl::string_view b) {
  return a == b || HasSuffixPattern(a, b) || HasPrefixPattern(a, b) || HasSuffixPattern(b, a) ||
         HasPrefixPattern(b, a);
}

}  // namespace

std::vector<std::string> ExpandPrincipal(absl::string_view pattern,
                                         absl::Span<const std::string> trust_domains) {
  const absl::string_view own = pattern.substr(0, pattern.find('/'));
  const bool five_parts = std::count(pattern.begin(), pattern.end(), '/') == 4;
  const bool ours =
      own == "cluster.local" ||
      std::any_of(trust_domains.begin(), trust_domains.end(),
                  [&](const std::string& domain) { return SameTrustDomain(own, domain); });
  if (!five_parts || own == "*" || !ours) return {std::string(pattern)};
  std::vector<std::string> patterns;
  for (const std::string& domain : trust_domains) {
    std::string expanded = HasSuffixPattern(own, domain)
                               ? std::string(pattern)
                               : absl::StrCat(domain, pattern.substr(own.size()));
    if (std::find(patterns.begin(), patterns.end(), expanded) == patterns.end()) {
      patterns.push_back(std::move(expanded));
    }
  }
  return patterns;
}

std::vector<std::string> ExpandTrustDomain(absl::string_view pattern,
                                           absl::Span<const std::string> trust_domains) {
  const bool ours =
      std::find(trust_domains.begin(), trust_domains.end(), pattern) != trust_domains.end();
  if (!ours) return {std::string(pattern)};
  return {trust_domains.begin(), trust_domains.end()};
}

}  // namespace kith::policy
