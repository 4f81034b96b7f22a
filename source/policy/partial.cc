#include "source/policy/partial.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "source/policy/tables.h"

namespace kith::policy {
namespace {

// Kleene's logic: "and" is the least of its parts in the order no, unknown, yes; "or" the greatest.
Truth And(Truth a, Truth b) {
  if (a == Truth::kNo || b == Truth::kNo) return Truth::kNo;
  return a == Truth::kYes ? b : a;
}

Truth Or(Truth a, Truth b) {
  if (a == Truth::kYes || b == Truth::kYes) return Truth::kYes;
  return a == Truth::kNo ? b : a;
}

class Evaluation {
 public:
  Evaluation(const Tables& tables, const Request& request, const Unknown& unknown)
      : tables_(tables), attributes_(request), unknown_(unknown) {}

  Truth AnyRule(const RuleList& list, Effect effect) {
    Truth any = Truth::kNo;
    for (const RuleTable& rule : list.For(attributes_.request().kind)) {
      std::vector<std::string> asked;
      const Truth matches = Matches(rule, effect, asked);
      any = Or(any, matches);
      if (any == Truth::kYes) return any;
      if (matches != Truth::kUnknown) continue;
      for (const std::string& what : asked) {
        Miss(absl::StrCat(what, " (", tables_.policies[rule.policy].name, " rules[", rule.rule,
                          "])"));
      }
    }
    return any;
  }

  void Miss(std::string what) {
    if (std::find(missing_.begin(), missing_.end(), what) == missing_.end()) {
      missing_.push_back(std::move(what));
    }
  }
  std::vector<std::string> TakeMissing() { return std::move(missing_); }

 private:
  bool Knows(const Predicate& predicate) const {
    if (!unknown_.Has(predicate.attribute)) return true;
    const auto known = unknown_.known_headers();
    return predicate.attribute == Attribute::kHeader &&
           std::find(known.begin(), known.end(), predicate.name) != known.end();
  }

  static std::string What(const Predicate& predicate) {
    if (predicate.attribute == Attribute::kHeader) return absl::StrCat("header ", predicate.name);
    return predicate.field;
  }

  Truth Matches(const Conjunction& clause, Effect effect, std::vector<std::string>& asked) {
    Truth all = Truth::kYes;
    std::vector<std::string> unknown;
    for (const Predicate& predicate : clause) {
      if (!Knows(predicate)) {
        unknown.push_back(What(predicate));
        all = And(all, Truth::kUnknown);
      } else if (!predicate.Holds(attributes_, effect)) {
        return Truth::kNo;
      }
    }
    asked.insert(asked.end(), unknown.begin(), unknown.end());
    return all;
  }

  Truth AnyOf(const std::vector<Conjunction>& clauses, Effect effect,
              std::vector<std::string>& asked) {
    if (clauses.empty()) return Truth::kYes;
    Truth any = Truth::kNo;
    for (const Conjunction& clause : clauses) any = Or(any, Matches(clause, effect, asked));
    return any;
  }

  Truth Matches(const RuleTable& rule, Effect effect, std::vector<std::string>& asked) {
    const Truth when = Matches(rule.when, effect, asked);
    if (when == Truth::kNo) return when;
    const Truth from = AnyOf(rule.from, effect, asked);
    if (from == Truth::kNo) return from;
    return And(And(when, from), AnyOf(rule.to, effect, asked));
  }

  const Tables& tables_;
  Attributes attributes_;
  const Unknown& unknown_;
  std::vector<std::string> missing_;
};

Truth Not(Truth truth) {
  if (truth == Truth::kUnknown) return truth;
  return truth == Truth::kYes ? Truth::kNo : Truth::kYes;
}

}  // namespace

PartialDecision DecidePartly(const Tables& tables, const Request& request, const Unknown& unknown) {
  Evaluation evaluation(tables, request, unknown);
  PartialDecision decision;
  const Truth denied = evaluation.AnyRule(tables.deny, Effect::kRefuses);
  Truth allowed = Not(denied);
  if (denied != Truth::kYes && tables.default_deny) {
    allowed = And(allowed, evaluation.AnyRule(tables.allow, Effect::kAdmits));
  }
  // Whoever is asked may refuse; nobody makes an allowance of a denial.
  if (allowed != Truth::kNo) {
    const Truth asks = evaluation.AnyRule(tables.custom, Effect::kRefuses);
    if (asks == Truth::kYes) evaluation.Miss("the answer of a CUSTOM policy's provider");
    if (asks != Truth::kNo) allowed = Truth::kUnknown;
  }
  decision.allowed = allowed;
  if (allowed == Truth::kUnknown) decision.missing = evaluation.TakeMissing();
  return decision;
}

}  // namespace kith::policy
