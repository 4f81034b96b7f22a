// A second evaluator of AuthorizationPolicy, for tests: slow, and written from the specification
// (spec/authorization.md §1) alone, so that it shares neither code nor thoughts with source/policy.
// Reads the fields that this version enforces; its policies must be valid.
// Threads: any, pure. Owns: nothing. Errors: none.
#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "kith/security/v1/authorization_policy.pb.h"

namespace kith::policy {

struct OracleRequest {
  bool http = false;
  std::string spiffe_id;  // Empty: none.
  int port = 0;
  std::string method;
  std::string path;
  bool has_path = true;
};

struct OracleAnswer {
  bool allowed = true;
  // Every rule that may be named as the deciding one, as (policy, index); none when no rule
  // decided.
  std::set<std::pair<std::string, int>> deciding;
};

OracleAnswer Ask(const std::vector<security::v1::AuthorizationPolicy>& policies,
                 const std::vector<std::string>& trust_domains, const OracleRequest& request);

}  // namespace kith::policy
