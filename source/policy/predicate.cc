#include "source/policy/predicate.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "source/policy/claims.h"

namespace kith::policy {
namespace {

Outcome Is(bool matches) { return matches ? Outcome::kYes : Outcome::kNo; }

// An ID with more segments than mesh identities have: /ns/<namespace>/ anywhere, and after it
// sa/<account> as whole segments.
bool UnusualIdHas(absl::string_view id, absl::string_view account) {
  const size_t middle = account.find("/sa/");
  const absl::string_view name_space = account.substr(0, middle);
  const absl::string_view name = account.substr(middle + 4);
  const auto whole_segment = [](absl::string_view text, size_t end) {
    return end == text.size() || (text[end] == '/' && end + 1 < text.size());
  };
  for (size_t at = id.find("/ns/"); at != absl::string_view::npos; at = id.find("/ns/", at + 1)) {
    absl::string_view rest = id.substr(at + 4);
    if (!absl::ConsumePrefix(&rest, name_space) || !absl::StartsWith(rest, "/")) continue;
    for (size_t sa = rest.find("/sa/"); sa != absl::string_view::npos;
         sa = rest.find("/sa/", sa + 1)) {
      // Between the two is nothing, or something of its own.
      if (sa == 1) continue;
      const absl::string_view found = rest.substr(sa + 4);
      if (absl::StartsWith(found, name) && whole_segment(found, name.size())) return true;
    }
  }
  return false;
}

bool AnyAccount(const PatternSet& set, absl::string_view id) {
  return std::any_of(set.patterns().begin(), set.patterns().end(), [&](const Pattern& pattern) {
    return UnusualIdHas(id, pattern.literal().text);
  });
}

// ---- Headers ----

// Calls `visit` with the value of every line of that name, until it answers false.
template <typename Visit>
void ForEachLine(const Request& request, absl::string_view name, Visit visit) {
  if (absl::StartsWith(name, ":") || name == "host") {
    absl::string_view value;
    if (name == ":method") value = request.method;
    if (name == ":path") value = request.target;
    if (name == ":scheme") value = request.scheme;
    if (name == ":authority" || name == "host") value = request.host;
    if (!value.empty()) visit(value);
    return;
  }
  for (const HeaderView& header : request.headers) {
    if (absl::EqualsIgnoreCase(header.name, name) && !visit(header.value)) return;
  }
}

// "*" asks whether the header is there, with a value or without.
bool LineMatches(const PatternSet& set, absl::string_view value) {
  return set.has_present() || set.Matches(value);
}

bool AnyTokenMatches(const PatternSet& set, absl::string_view value) {
  while (true) {
    const size_t comma = value.find(',');
    const absl::string_view token = absl::StripAsciiWhitespace(value.substr(0, comma));
    if (!token.empty() && set.Matches(token)) return true;
    if (comma == absl::string_view::npos) return false;
    value.remove_prefix(comma + 1);
  }
}

constexpr size_t kMaxJoined = 16 * 1024;

// The lines as one, as servers see them that join repeated headers.
Outcome JoinMatches(const PatternSet& set, const Request& request, absl::string_view name,
                    absl::string_view separator) {
  std::array<char, kMaxJoined> buffer;
  size_t size = 0;
  bool first = true, fits = true;
  ForEachLine(request, name, [&](absl::string_view line) {
    const absl::string_view before = first ? absl::string_view() : separator;
    first = false;
    fits = size + before.size() + line.size() <= buffer.size();
    if (!fits) return false;
    size = static_cast<size_t>(std::copy(before.begin(), before.end(), buffer.begin() + size) -
                               buffer.begin());
    size = static_cast<size_t>(std::copy(line.begin(), line.end(), buffer.begin() + size) -
                               buffer.begin());
    return true;
  });
  return fits ? Is(set.Matches({buffer.data(), size})) : Outcome::kUnreadable;
}

Outcome HeaderMatches(const PatternSet& set, const Request& request, absl::string_view name,
                      Reading reading) {
  size_t lines = 0, matching = 0;
  ForEachLine(request, name, [&](absl::string_view line) {
    ++lines;
    matching += LineMatches(set, line);
    return true;
  });
  if (lines == 0) return Outcome::kNo;
  if (reading == Reading::kAsSent) return Is(matching == lines);
  if (matching > 0) return Outcome::kYes;
  bool token = false;
  ForEachLine(request, name, [&](absl::string_view line) {
    token = AnyTokenMatches(set, line);
    return !token;
  });
  if (token) return Outcome::kYes;
  if (lines == 1) return Outcome::kNo;
  const Outcome joined = JoinMatches(set, request, name, ",");
  return joined == Outcome::kNo ? JoinMatches(set, request, name, ", ") : joined;
}

// ---- Tokens ----

bool AnyWordMatches(const PatternSet& set, absl::string_view text) {
  for (absl::string_view word : absl::StrSplit(text, ' ', absl::SkipEmpty())) {
    if (set.Matches(word)) return true;
  }
  return false;
}

bool ClaimMatches(const PatternSet& set, const std::vector<std::string>& keys,
                  const Claims& claims) {
  const Claim* claim = &claims.payload;
  for (const std::string& key : keys) {
    claim = claim->Find(key);
    if (claim == nullptr) return false;
  }
  switch (claim->kind) {
    case Claim::Kind::kString: {
      const std::vector<std::string>& lists = claims.space_delimited;
      const bool words =
          keys.size() == 1 && (keys[0] == "scope" || keys[0] == "permission" ||
                               std::find(lists.begin(), lists.end(), keys[0]) != lists.end());
      return words ? AnyWordMatches(set, claim->text) : set.Matches(claim->text);
    }
    case Claim::Kind::kList:
      return std::any_of(claim->items.begin(), claim->items.end(), [&](const Claim& item) {
        return item.kind == Claim::Kind::kString && set.Matches(item.text);
      });
    default:
      return false;
  }
}

bool AnyTokenPattern(const std::vector<TokenPattern>& tokens, const Claims& claims) {
  const Claim* const issuer = claims.payload.Find("iss");
  const Claim* const subject = claims.payload.Find("sub");
  if (issuer == nullptr || subject == nullptr || issuer->kind != Claim::Kind::kString ||
      subject->kind != Claim::Kind::kString) {
    return false;
  }
  return std::any_of(tokens.begin(), tokens.end(), [&](const TokenPattern& pattern) {
    return pattern.first.Matches(issuer->text) && pattern.second.Matches(subject->text);
  });
}

Outcome Matches(const Predicate& predicate, Attributes& attributes, Reading reading) {
  const Request& request = attributes.request();
  switch (predicate.attribute) {
    case Attribute::kHeader:
      return HeaderMatches(predicate.values, request, predicate.name, reading);
    case Attribute::kRequestPrincipal:
      return Is(request.claims != nullptr && AnyTokenPattern(predicate.tokens, *request.claims));
    case Attribute::kClaim:
      return Is(request.claims != nullptr &&
                ClaimMatches(predicate.values, predicate.claim, *request.claims));
    case Attribute::kCertificateExtension: {
      if (request.certificate == nullptr) {
        return request.peer == nullptr ? Outcome::kNo : Outcome::kUnreadable;
      }
      const auto& extensions = request.certificate->extensions;
      return Is(std::any_of(extensions.begin(), extensions.end(), [&](const auto& extension) {
        return extension.first == predicate.name && predicate.values.Matches(extension.second);
      }));
    }
    case Attribute::kServiceAccount:
      if (attributes.has_unusual_id()) {
        return Is(AnyAccount(predicate.values, request.peer->principal()));
      }
      break;
    default:
      break;
  }
  const Values values = attributes.Get(predicate.attribute, reading);
  const bool any =
      std::any_of(values.texts.begin(), values.texts.end(),
                  [&](absl::string_view text) { return predicate.values.Matches(text); });
  return OutcomeOf(any, values);
}

}  // namespace

TokenPattern ParseTokenPattern(absl::string_view written) {
  const auto present = [&] { return Pattern::Present(written); };
  const auto exact = [&](absl::string_view text) { return Pattern::Exact(text, written); };
  if (written == "*") return {present(), present()};
  absl::string_view text = written;
  if (absl::ConsumePrefix(&text, "*")) {
    const size_t slash = text.rfind('/');
    if (slash == absl::string_view::npos) return {present(), Pattern::Suffix(text, written)};
    const absl::string_view issuer = text.substr(0, slash);
    return {issuer.empty() ? present() : Pattern::Suffix(issuer, written),
            exact(text.substr(slash + 1))};
  }
  const size_t slash = text.rfind('/');
  if (slash == absl::string_view::npos) {
    if (absl::ConsumeSuffix(&text, "*")) return {Pattern::Prefix(text, written), present()};
    return {exact(text), exact("")};
  }
  absl::string_view subject = text.substr(slash + 1);
  Pattern issuer = exact(text.substr(0, slash));
  if (subject == "*") return {std::move(issuer), present()};
  if (absl::ConsumeSuffix(&subject, "*")) {
    return {std::move(issuer), Pattern::Prefix(subject, written)};
  }
  return {std::move(issuer), exact(subject)};
}

bool Predicate::Holds(Attributes& attributes, Effect effect) const {
  return IsMet(Matches(*this, attributes, ReadingFor(sense, effect)), sense, effect);
}

}  // namespace kith::policy
