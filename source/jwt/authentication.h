// RequestAuthentication: who a request's token says it is for. All policies of a workload together,
// as Istio means them (docs/request-authentication.md).
// Threads: immutable after Compile(); shared by all workers. Owns: its rules.
// Errors: Compile() names the policy, the field and what is wrong; a bad token is an Outcome.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "source/jwt/locations.h"
#include "source/jwt/rule.h"
#include "source/policy/claims.h"

namespace kith::security::v1 {
class RequestAuthentication;
}

namespace kith::jwt {

// "namespace/name: field: what is wrong". Keys that are fetched need not be there.
absl::Status Validate(const security::v1::RequestAuthentication& policy);

// What a verified token says.
struct Identity {
  policy::Claims claims;
  std::string issuer;
  std::string subject;
};

class Authentication {
 public:
  static absl::StatusOr<std::shared_ptr<const Authentication>> Compile(
      absl::Span<const security::v1::RequestAuthentication> policies);

  struct Outcome {
    Failure failure = Failure::kNone;
    std::string challenge;                     // www-authenticate's value, with a failure.
    std::shared_ptr<const Identity> identity;  // Null: no token was sent.
    // What the application is sent otherwise than it came. Names are borrowed from the rules.
    std::vector<absl::string_view> dropped;
    std::vector<std::pair<absl::string_view, std::string>> added;
    std::string target;  // Empty: as it came.
  };
  Outcome Authenticate(const RequestView& request, absl::Time now) const;

  // Without rules tokens are not looked at.
  bool empty() const { return rules_.empty(); }
  size_t size() const { return rules_.size(); }

 private:
  explicit Authentication(std::vector<Rule> rules);
  void Accept(const Rule& rule, Token token, const RequestView& request, Outcome& outcome) const;

  std::vector<Rule> rules_;           // By issuer.
  std::vector<std::string> outputs_;  // Headers that only this side writes.
};

}  // namespace kith::jwt
