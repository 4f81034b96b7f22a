#include "source/policy/lint_cover.h"

#include <algorithm>
#include <functional>

namespace kith::policy {
namespace {

using Sense = Predicate::Sense;
using Parts = std::vector<const Predicate*>;

bool SameQuestion(const Predicate& a, const Predicate& b) {
  return a.attribute == b.attribute && a.name == b.name && a.claim == b.claim;
}

// Whether it is one text, or all with one beginning or end, and nothing else.
bool IsPlain(const Pattern& pattern, Attribute attribute) {
  if (pattern.is_present()) return true;
  const Literal::Kind kind = pattern.literal().kind;
  if (kind == Literal::Kind::kExact) return true;
  if (kind == Literal::Kind::kNone || attribute == Attribute::kNamespace) return false;
  return attribute != Attribute::kPath || !Pattern::IsTemplate(pattern.written());
}

// Every text that `narrow` matches, `wide` does.
bool Within(const Pattern& narrow, const Pattern& wide, Attribute attribute) {
  if (wide.is_present()) return true;
  const Literal literal = narrow.literal();
  if (literal.kind == Literal::Kind::kExact) return wide.Matches(literal.text);
  if (!IsPlain(wide, attribute)) {
    return !IsPlain(narrow, attribute) && narrow.written() == wide.written();
  }
  if (literal.kind == Literal::Kind::kNone || literal.kind != wide.literal().kind) return false;
  // A longer beginning, or end, is the narrower.
  const absl::string_view narrow_text = literal.text, wide_text = wide.literal().text;
  if (narrow_text.size() < wide_text.size()) return false;
  return literal.kind == Literal::Kind::kPrefix
             ? narrow_text.substr(0, wide_text.size()) == wide_text
             : narrow_text.substr(narrow_text.size() - wide_text.size()) == wide_text;
}

bool AllWithin(const Predicate& narrow, const Predicate& wide) {
  const auto& patterns = narrow.values.patterns();
  const bool patterns_within =
      std::all_of(patterns.begin(), patterns.end(), [&](const Pattern& pattern) {
        const auto& others = wide.values.patterns();
        return std::any_of(others.begin(), others.end(), [&](const Pattern& other) {
          return Within(pattern, other, narrow.attribute);
        });
      });
  const auto token_within = [&](const TokenPattern& token) {
    return std::any_of(wide.tokens.begin(), wide.tokens.end(), [&](const TokenPattern& other) {
      return Within(token.first, other.first, narrow.attribute) &&
             Within(token.second, other.second, narrow.attribute);
    });
  };
  return patterns_within && std::all_of(narrow.tokens.begin(), narrow.tokens.end(), token_within);
}

// Whether `known` holding makes `asked` hold.
bool Implies(const Predicate& known, const Predicate& asked) {
  if (!SameQuestion(known, asked) || known.sense != asked.sense) return false;
  return known.sense == Sense::kPositive ? AllWithin(known, asked) : AllWithin(asked, known);
}

bool Implies(const Parts& known, const Parts& asked) {
  return std::all_of(asked.begin(), asked.end(), [&](const Predicate* one) {
    return std::any_of(known.begin(), known.end(),
                       [&](const Predicate* other) { return Implies(*other, *one); });
  });
}

// Of each way to match the rule, what must hold; until `test` is false. True when it never was.
bool ForEachWay(const RuleTable& rule, const std::function<bool(const Parts&)>& test) {
  const Conjunction nothing;
  const auto clauses = [&](const std::vector<Conjunction>& of) {
    std::vector<const Conjunction*> list;
    list.reserve(of.size() + 1);
    for (const Conjunction& clause : of) list.push_back(&clause);
    if (list.empty()) list.push_back(&nothing);
    return list;
  };
  for (const Conjunction* from : clauses(rule.from)) {
    for (const Conjunction* to : clauses(rule.to)) {
      Parts parts;
      for (const Conjunction* each : {from, to, &rule.when}) {
        for (const Predicate& predicate : *each) parts.push_back(&predicate);
      }
      if (!test(parts)) return false;
    }
  }
  return true;
}

// A request has at most one.
bool IsSingle(Attribute attribute) {
  switch (attribute) {
    case Attribute::kPrincipal:
    case Attribute::kServiceAccount:
    case Attribute::kTrustDomain:
    case Attribute::kDestinationPort:
    case Attribute::kMethod:
    case Attribute::kSni:
      return true;
    default:
      return false;
  }
}

bool AreApart(const Predicate& a, const Predicate& b) {
  if (!IsSingle(a.attribute)) return false;
  const auto exact = [](const Predicate& predicate) {
    const auto& patterns = predicate.values.patterns();
    return !patterns.empty() && std::all_of(patterns.begin(), patterns.end(), [](const Pattern& p) {
      return p.literal().kind == Literal::Kind::kExact;
    });
  };
  if (!exact(a)) return false;
  const auto& texts = a.values.patterns();
  return std::none_of(texts.begin(), texts.end(), [&](const Pattern& pattern) {
    return b.values.Matches(pattern.literal().text);
  });
}

// Where a match refuses, what TCP streams lack vanishes from the rule, and a certificate's
// attribute that is not at hand satisfies a list and its "not" twin.
bool IsSure(Attribute attribute, Effect effect) {
  if (effect == Effect::kAdmits) return true;
  const bool certificate =
      attribute >= Attribute::kCertificateCn && attribute <= Attribute::kCertificateExtension;
  return !certificate && !IsHttpOnly(attribute);
}

bool Exclude(const Predicate& a, const Predicate& b, Effect effect) {
  if (!SameQuestion(a, b) || a.sense != Sense::kPositive || !IsSure(a.attribute, effect)) {
    return false;
  }
  return b.sense == Sense::kPositive ? AreApart(a, b) : AllWithin(a, b);
}

bool AsksForHttp(const RuleTable& rule) {
  const auto asks = [](const Conjunction& clause) {
    return std::any_of(clause.begin(), clause.end(),
                       [](const Predicate& one) { return IsHttpOnly(one.attribute); });
  };
  return asks(rule.when) || std::any_of(rule.from.begin(), rule.from.end(), asks) ||
         std::any_of(rule.to.begin(), rule.to.end(), asks);
}

}  // namespace

bool Covers(const RuleTable& cover, const RuleTable& covered, Effect effect) {
  // A rule that admits and asks for HTTP anywhere matches no TCP stream.
  if (effect == Effect::kAdmits && AsksForHttp(cover) && !AsksForHttp(covered)) return false;
  return ForEachWay(covered, [&](const Parts& known) {
    return !ForEachWay(cover, [&](const Parts& asked) { return !Implies(known, asked); });
  });
}

bool NeverMatches(const RuleTable& rule, Effect effect) {
  return ForEachWay(rule, [effect](const Parts& parts) {
    return std::any_of(parts.begin(), parts.end(), [&](const Predicate* a) {
      return std::any_of(parts.begin(), parts.end(),
                         [&](const Predicate* b) { return Exclude(*a, *b, effect); });
    });
  });
}

}  // namespace kith::policy
