#include "source/policy/explain.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "source/policy/claims.h"
#include "source/policy/policy_set.h"
#include "source/policy/tables.h"

namespace kith::policy {
namespace {

constexpr absl::string_view kNone = "none";

bool HasText(const std::vector<std::string>& texts, const std::string& text) {
  return std::find(texts.begin(), texts.end(), text) != texts.end();
}

std::string Quoted(absl::string_view text) { return absl::StrCat("\"", text, "\""); }

std::string TextOf(const Claim& claim) {
  switch (claim.kind) {
    case Claim::Kind::kString:
      return Quoted(claim.text);
    case Claim::Kind::kList:
      return absl::StrCat("[",
                          absl::StrJoin(claim.items, ", ",
                                        [](std::string* out, const Claim& item) {
                                          absl::StrAppend(out, TextOf(item));
                                        }),
                          "]");
    case Claim::Kind::kMap:
      return "an object";
    case Claim::Kind::kNull:
      return "null";
    default:
      return absl::StrCat(claim.text, " (no text)");
  }
}

std::string ClaimText(const Claims* claims, const std::vector<std::string>& keys) {
  if (claims == nullptr) return "none: no verified token";
  const Claim* claim = &claims->payload;
  for (const std::string& key : keys) {
    if (claim != nullptr) claim = claim->Find(key);
  }
  return claim == nullptr ? std::string(kNone) : TextOf(*claim);
}

std::string AddressText(const base::SocketAddress* address) {
  return address == nullptr ? std::string(kNone) : address->IpString();
}

std::string HeaderText(const Request& request, absl::string_view name) {
  std::vector<std::string> lines;
  for (const HeaderView& header : request.headers) {
    if (absl::EqualsIgnoreCase(header.name, name)) lines.push_back(Quoted(header.value));
  }
  if (name == ":method") lines.push_back(Quoted(request.method));
  if (name == ":path") lines.push_back(Quoted(request.target));
  if (name == ":scheme") lines.push_back(Quoted(request.scheme));
  if (name == ":authority" || name == "host") lines.push_back(Quoted(request.host));
  return lines.empty() ? std::string(kNone) : absl::StrJoin(lines, ", ");
}

// What the request has where the predicate asks.
std::string Got(const Predicate& predicate, Attributes& attributes) {
  const Request& request = attributes.request();
  if (request.kind == Request::Kind::kTcp && IsHttpOnly(predicate.attribute)) {
    return "a TCP stream, which has none";
  }
  switch (predicate.attribute) {
    case Attribute::kHeader:
      return HeaderText(request, predicate.name);
    case Attribute::kRequestPrincipal:
      if (request.claims == nullptr) return ClaimText(nullptr, {});
      return absl::StrCat("iss ", ClaimText(request.claims, {"iss"}), ", sub ",
                          ClaimText(request.claims, {"sub"}));
    case Attribute::kClaim:
      return ClaimText(request.claims, predicate.claim);
    case Attribute::kSourceIp:
      return AddressText(request.source);
    case Attribute::kRemoteIp:
      return AddressText(request.remote != nullptr ? request.remote : request.source);
    case Attribute::kDestinationIp:
      return AddressText(request.destination);
    case Attribute::kServiceAccount:
    case Attribute::kNamespace:
    case Attribute::kTrustDomain:
    case Attribute::kPrincipal:
      return request.peer != nullptr ? Quoted(request.peer->principal())
                                     : "none: the peer proved no identity";
    case Attribute::kCertificateExtension: {
      if (request.certificate == nullptr) return std::string(kNone);
      for (const auto& [id, value] : request.certificate->extensions) {
        if (id == predicate.name) return Quoted(value);
      }
      return std::string(kNone);
    }
    default:
      break;
  }
  const Values values = attributes.Get(predicate.attribute, Reading::kAsSent);
  if (values.texts.empty()) return std::string(kNone);
  return absl::StrJoin(values.texts, ", ", [](std::string* out, absl::string_view text) {
    absl::StrAppend(out, Quoted(text));
  });
}

using Failed = std::vector<const Predicate*>;

Failed FailedOf(const Conjunction& predicates, Attributes& attributes) {
  Failed failed;
  for (const Predicate& predicate : predicates) {
    const bool lacking =
        attributes.request().kind == Request::Kind::kTcp && IsHttpOnly(predicate.attribute);
    if (lacking || !predicate.Holds(attributes, Effect::kAdmits)) failed.push_back(&predicate);
  }
  return failed;
}

// Of the clause that fails least.
Failed FewestOf(const std::vector<Conjunction>& clauses, Attributes& attributes) {
  Failed best;
  bool first = true;
  for (const Conjunction& clause : clauses) {
    Failed failed = FailedOf(clause, attributes);
    if (first || failed.size() < best.size()) best = std::move(failed);
    first = false;
  }
  return best;
}

void FindNearest(const Tables& tables, const Request& request, Explanation& out) {
  Attributes attributes(request);
  Failed nearest;
  const RuleTable* nearest_rule = nullptr;
  for (const RuleTable& rule : tables.allow.http) {
    Failed failed = FewestOf(rule.from, attributes);
    for (const Failed& more : {FewestOf(rule.to, attributes), FailedOf(rule.when, attributes)}) {
      failed.insert(failed.end(), more.begin(), more.end());
    }
    if (nearest_rule != nullptr && failed.size() >= nearest.size()) continue;
    nearest_rule = &rule;
    nearest = std::move(failed);
  }
  if (nearest_rule == nullptr) return;
  out.nearest_policy = tables.policies[nearest_rule->policy].name;
  out.nearest_rule = nearest_rule->rule;
  for (const Predicate* predicate : nearest) {
    Mismatch mismatch;
    mismatch.field = predicate->field;
    for (const Pattern& pattern : predicate->values.patterns()) {
      // One value may have become several patterns, for the aliases of the trust domain.
      if (!HasText(mismatch.expected, pattern.written())) {
        mismatch.expected.push_back(pattern.written());
      }
    }
    for (const TokenPattern& token : predicate->tokens) {
      mismatch.expected.push_back(token.first.written());
    }
    mismatch.got = Got(*predicate, attributes);
    out.mismatches.push_back(std::move(mismatch));
  }
}

}  // namespace

Explanation Explain(const PolicySet& policies, const Tables& tables, const Request& request) {
  Explanation explanation;
  explanation.decision = policies.Decide(request);
  explanation.custom = policies.MatchCustom(request);
  if (!explanation.decision.allowed && explanation.decision.rule < 0) {
    explanation.unmatched = tables.unmatched;
    FindNearest(tables, request, explanation);
  }
  return explanation;
}

std::string Explanation::ToString() const {
  std::string text;
  if (custom) {
    text = absl::StrCat("CUSTOM policy ", custom->policy, " rules[", custom->rule, "] asks ",
                        custom->provider.empty() ? "several providers" : custom->provider,
                        " first; then ");
  }
  absl::StrAppend(&text, decision.allowed ? "allowed" : "denied");
  if (decision.rule >= 0) {
    absl::StrAppend(&text, " by ", decision.policy, " rules[", decision.rule, "]");
    if (decision.from >= 0) absl::StrAppend(&text, ".from[", decision.from, "]");
    if (decision.to >= 0)
      absl::StrAppend(&text, decision.from >= 0 ? ", " : ".", "to[", decision.to, "]");
    return text;
  }
  if (decision.allowed) return absl::StrCat(text, ": no ALLOW policy applies and no DENY matched");
  absl::StrAppend(&text, ": ", unmatched);
  if (nearest_rule < 0) return text;
  absl::StrAppend(&text, "; nearest is ", nearest_policy, " rules[", nearest_rule, "]: ");
  return absl::StrCat(
      text, absl::StrJoin(mismatches, "; ", [](std::string* out, const Mismatch& mismatch) {
        const bool negative = absl::StrContains(mismatch.field, ".not");
        absl::StrAppend(out, mismatch.field, negative ? " excludes " : " expects ",
                        absl::StrJoin(mismatch.expected, " or "), ", got ", mismatch.got);
      }));
}

}  // namespace kith::policy
