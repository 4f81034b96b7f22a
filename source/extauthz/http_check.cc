#include "source/extauthz/http_check.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace kith::extauthz {
namespace {

bool Shown(const Provider& provider, absl::string_view name) {
  return absl::EqualsIgnoreCase(name, "authorization") ||
         MatchesAny(provider.request_headers, name);
}

bool IsAdditional(const Provider& provider, absl::string_view name) {
  return std::any_of(
      provider.additional_headers.begin(), provider.additional_headers.end(),
      [name](const auto& header) { return absl::EqualsIgnoreCase(header.first, name); });
}

// As applications may read it: CGI and its heirs take every other character for the same one.
std::string SpellingOf(absl::string_view name) {
  std::string spelling;
  for (const char c : name) spelling += absl::ascii_isalnum(c) ? c : '-';
  return spelling;
}

}  // namespace

bool MatchesAny(absl::Span<const std::string> patterns, absl::string_view name) {
  return std::any_of(patterns.begin(), patterns.end(), [name](absl::string_view pattern) {
    if (absl::ConsumeSuffix(&pattern, "*")) return absl::StartsWithIgnoreCase(name, pattern);
    if (absl::ConsumePrefix(&pattern, "*")) return absl::EndsWithIgnoreCase(name, pattern);
    return absl::EqualsIgnoreCase(name, pattern);
  });
}

std::vector<http::Header> CheckHeaders(const Provider& provider, const Question& question) {
  std::vector<http::Header> headers;
  for (const http::Header& header : question.headers) {
    if (!absl::EqualsIgnoreCase(header.name, "host") && MayEdit(header.name) &&
        Shown(provider, header.name) && !IsAdditional(provider, header.name) &&
        !absl::EqualsIgnoreCase(header.name, kPartialBody)) {
      headers.push_back({header.name, header.value});
    }
  }
  for (const auto& [name, value] : provider.additional_headers) headers.push_back({name, value});
  if (question.shown != Question::Shown::kNothing) {
    headers.push_back({kPartialBody, IsPartial(question)});
  }
  return headers;
}

std::vector<absl::string_view> Forgeable(const Provider& provider,
                                         absl::Span<const http::Header> headers) {
  std::vector<std::string> spelled;
  for (const std::string& pattern : provider.upstream_on_allow) {
    const bool prefix = absl::EndsWith(pattern, "*");
    const bool suffix = !prefix && absl::StartsWith(pattern, "*");
    absl::string_view name = pattern;
    if (prefix) name.remove_suffix(1);
    if (suffix) name.remove_prefix(1);
    spelled.push_back(absl::StrCat(suffix ? "*" : "", SpellingOf(name), prefix ? "*" : ""));
  }
  std::vector<absl::string_view> names;
  for (const http::Header& header : headers) {
    if (MayEdit(header.name) && MatchesAny(spelled, SpellingOf(header.name)) &&
        !Shown(provider, header.name)) {
      names.push_back(header.name);
    }
  }
  return names;
}

Verdict ReadAnswer(const Provider& provider, int status, const TextHeaders& headers,
                   std::string body) {
  if (status >= 500) return Verdict::Failed(absl::StrCat("it answered ", status));
  Verdict verdict;
  if (status == 200) {
    verdict.outcome = Verdict::Outcome::kAllowed;
    std::vector<absl::string_view> seen;
    for (const auto& header : headers) {
      const std::string& name = header.first;
      const std::string& value = header.second;
      if (!MayEdit(name)) continue;
      if (MatchesAny(provider.upstream_on_allow, name)) {
        // Further lines of a name that the authorizer repeats.
        const bool again = std::any_of(seen.begin(), seen.end(), [&](absl::string_view other) {
          return absl::EqualsIgnoreCase(other, name);
        });
        seen.push_back(name);
        verdict.edits.push_back(
            {name, value, again ? HeaderEdit::Action::kAppend : HeaderEdit::Action::kOverwrite});
      }
      if (MatchesAny(provider.downstream_on_allow, name)) {
        verdict.response_headers.emplace_back(name, value);
      }
    }
    return verdict;
  }
  verdict.outcome = Verdict::Outcome::kDenied;
  verdict.status = status;
  verdict.body = std::move(body);
  // These always go, for a client could not follow the answer without them.
  const std::vector<std::string> always = {"location", "www-authenticate", "content-type"};
  for (const auto& [name, value] : headers) {
    if (!MayEdit(name)) continue;
    if (provider.downstream_on_deny.empty() || MatchesAny(provider.downstream_on_deny, name) ||
        MatchesAny(always, name)) {
      verdict.headers.emplace_back(name, value);
    }
  }
  return verdict;
}

}  // namespace kith::extauthz
