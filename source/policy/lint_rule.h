// The pitfalls of one rule.
// Threads: any, pure. Owns: nothing. Errors: none; the rule is valid.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "kith/security/v1/authorization_policy.pb.h"

namespace kith::policy {

struct RulePlace {
  security::v1::AuthorizationPolicySpec::Action action;
  std::string field;  // "spec.rules[0]".
  absl::Span<const std::string> trust_domains;
  enum class Plaintext { kAccepted, kRefused } plaintext;
  enum class Namespace { kRoot, kOwn } name_space;
};

struct RuleProblem {
  std::string code, field, what, fix;
};

void LintRule(const security::v1::Rule& rule, const RulePlace& place,
              std::vector<RuleProblem>& out);

}  // namespace kith::policy
