// A second evaluator of AuthorizationPolicy, for tests: slow, and written from the specification
// (spec/authorization.md §1) alone, so that it shares neither code nor thoughts with source/policy.
// Its policies must be valid.
// Threads: any, pure. Owns: nothing. Errors: none.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "kith/security/v1/authorization_policy.pb.h"
#include "nlohmann/json.hpp"

namespace kith::policy {

// Empty: missing.
struct OracleRequest {
  bool http = false;
  std::string spiffe_id;
  std::string source_ip, remote_ip, destination_ip;
  int port = 0;
  std::string sni;
  std::string method, host, path;
  bool has_path = true;
  std::vector<std::pair<std::string, std::string>> headers;
  bool has_claims = false;
  nlohmann::json claims;
  std::set<std::string> space_delimited;
  // By key: "source.certificate.serial", "source.certificate.extension[1.2.3]".
  std::map<std::string, std::vector<std::string>> certificate;
};

struct OracleMesh {
  std::vector<std::string> trust_domains;  // The mesh's own first.
};

using OracleRule = std::pair<std::string, int>;  // Policy and index.

struct OracleAnswer {
  bool allowed = true;
  // Every rule that may be named as the deciding one; none when no rule decided.
  std::set<OracleRule> deciding;
  bool audit = false;
  std::set<OracleRule> custom;  // Rules that ask a provider first.
  bool dry_allowed = true;      // What the policies that are only tried out would say.
};

OracleAnswer Ask(const std::vector<security::v1::AuthorizationPolicy>& policies,
                 const OracleMesh& mesh, const OracleRequest& request);

}  // namespace kith::policy
