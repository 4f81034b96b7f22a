#include "source/ratelimit/rate_limits.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "kith/ratelimit/v1/rate_limit_policy.pb.h"
#include "kith/security/v1/authorization_policy.pb.h"
#include "source/base/status.h"
#include "source/policy/select.h"

namespace kith::ratelimit {
namespace {

using v1::RateLimitPolicy;

// Every request is held against each of them.
constexpr size_t kMaxPolicies = 32;
constexpr uint32_t kMaxRequests = 100'000'000;

std::string NameOf(const RateLimitPolicy& policy) {
  return absl::StrCat(policy::NamespaceOf(policy.metadata()), "/", policy.metadata().name());
}

absl::Status Invalid(absl::string_view field, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", what));
}

absl::StatusOr<Limit> LimitOf(const v1::RateLimit& from) {
  if (from.requests() == 0 || from.requests() > kMaxRequests) {
    return Invalid("spec.limit.requests", absl::StrCat("must be 1 to ", kMaxRequests));
  }
  if (from.burst() > kMaxRequests) {
    return Invalid("spec.limit.burst", absl::StrCat("must be 0 to ", kMaxRequests));
  }
  absl::Duration per = absl::Seconds(1);
  if (from.has_per()) {
    per = absl::Seconds(from.per().seconds()) + absl::Nanoseconds(from.per().nanos());
    if (per < absl::Milliseconds(1) || per > absl::Hours(24)) {
      return Invalid("spec.limit.per", "must be 1 ms to 24 h");
    }
  }
  const uint32_t burst = from.burst() == 0 ? from.requests() : from.burst();
  return Limit{.per_second = from.requests() / absl::ToDoubleSeconds(per),
               .burst = static_cast<double>(burst)};
}

RateLimits::Key KeyKindOf(v1::RateLimit::Key key) {
  switch (key) {
    case v1::RateLimit::PRINCIPAL:
      return RateLimits::Key::kPrincipal;
    case v1::RateLimit::NAMESPACE:
      return RateLimits::Key::kNamespace;
    case v1::RateLimit::CERTIFICATE:
      return RateLimits::Key::kCertificate;
    default:
      return RateLimits::Key::kNone;
  }
}

// The rules, as what they are read by: a policy that denies what they match.
security::v1::AuthorizationPolicy AsDeny(const RateLimitPolicy& policy) {
  security::v1::AuthorizationPolicy deny;
  *deny.mutable_metadata() = policy.metadata();
  deny.mutable_metadata()->clear_annotations();
  deny.mutable_spec()->set_action(security::v1::AuthorizationPolicySpec::DENY);
  *deny.mutable_spec()->mutable_rules() = policy.spec().rules();
  return deny;
}

absl::StatusOr<RateLimits::Policy> CompileOne(const RateLimitPolicy& policy,
                                              const policy::PolicySet::Options& options) {
  RateLimits::Policy compiled;
  compiled.name = NameOf(policy);
  KITH_RETURN_IF_ERROR(policy::ValidateScope(policy.metadata(), policy.spec().selector()));
  if (!v1::RateLimit::Key_IsValid(policy.spec().limit().key())) {
    return Invalid("spec.limit.key", "is not NONE, PRINCIPAL, NAMESPACE or CERTIFICATE");
  }
  compiled.key = KeyKindOf(policy.spec().limit().key());
  KITH_ASSIGN_OR_RETURN(compiled.limit, LimitOf(policy.spec().limit()));
  if (policy.spec().rules_size() == 0) return compiled;
  const security::v1::AuthorizationPolicy deny = AsDeny(policy);
  KITH_ASSIGN_OR_RETURN(compiled.counted, policy::PolicySet::Compile({&deny, 1}, options));
  return compiled;
}

}  // namespace

absl::Status Validate(const RateLimitPolicy& policy) {
  const absl::Status status = CompileOne(policy, {}).status();
  // The rules' own errors name the policy already.
  const std::string name = NameOf(policy);
  return status.message().substr(0, name.size()) == name ? status : base::Annotate(status, name);
}

bool RateLimits::Policy::Counts(const policy::Request& request) const {
  return counted == nullptr || !counted->Decide(request).allowed;
}

absl::string_view RateLimits::Policy::KeyOf(const policy::Request& request) const {
  switch (key) {
    case Key::kPrincipal:
      return request.peer == nullptr ? "" : absl::string_view(request.peer->text());
    case Key::kNamespace:
      return request.peer == nullptr ? "" : request.peer->name_space();
    case Key::kCertificate:
      if (request.certificate == nullptr) return "";
      return request.certificate->fingerprint.empty() ? request.certificate->serial
                                                      : request.certificate->fingerprint;
    case Key::kNone:
      break;
  }
  return "";
}

bool RateLimits::reads_headers() const {
  return std::any_of(policies_.begin(), policies_.end(), [](const Policy& policy) {
    return policy.counted != nullptr && policy.counted->reads_headers();
  });
}

bool RateLimits::reads_certificates() const {
  return std::any_of(policies_.begin(), policies_.end(), [](const Policy& policy) {
    return policy.key == Key::kCertificate ||
           (policy.counted != nullptr && policy.counted->reads_certificates());
  });
}

absl::StatusOr<std::shared_ptr<const RateLimits>> RateLimits::Compile(
    absl::Span<const RateLimitPolicy> policies, const policy::PolicySet::Options& options) {
  if (policies.size() > kMaxPolicies) {
    return absl::InvalidArgumentError(absl::StrCat("RateLimitPolicy: ", policies.size(),
                                                   " for one workload; at most ", kMaxPolicies));
  }
  std::vector<Policy> compiled;
  for (const RateLimitPolicy& policy : policies) {
    KITH_RETURN_IF_ERROR(Validate(policy));
    KITH_ASSIGN_OR_RETURN(compiled.emplace_back(), CompileOne(policy, options));
  }
  std::sort(compiled.begin(), compiled.end(),
            [](const Policy& a, const Policy& b) { return a.name < b.name; });
  return std::shared_ptr<const RateLimits>(new RateLimits(std::move(compiled)));
}

}  // namespace kith::ratelimit
