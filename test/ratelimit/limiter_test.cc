#include "source/ratelimit/limiter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "kith/ratelimit/v1/rate_limit_policy.pb.h"
#include "source/config/document.h"

namespace kith::ratelimit {
namespace {

using testing::HasSubstr;

// A list of specs, in YAML; their policies are demo/p0, demo/p1, ...
absl::StatusOr<std::shared_ptr<const RateLimits>> Compiled(
    const std::vector<absl::string_view>& specs) {
  std::vector<v1::RateLimitPolicy> policies;
  for (size_t i = 0; i < specs.size(); ++i) {
    const auto documents = config::ParseDocuments(
        absl::StrCat(
            "apiVersion: mesh.kith.dev/v1alpha1\nkind: RateLimitPolicy\nmetadata: {name: p", i,
            ", namespace: demo}\nspec: ", specs[i], "\n"),
        "r.yaml");
    if (!documents.ok()) return documents.status();
    const absl::Status decoded = config::Decode(documents->front(), policies.emplace_back());
    if (!decoded.ok()) return decoded;
  }
  return RateLimits::Compile(policies, {});
}

class LimiterTest : public testing::Test {
 protected:
  void Use(const std::vector<absl::string_view>& specs) {
    auto limits = Compiled(specs);
    ASSERT_TRUE(limits.ok()) << limits.status();
    limits_ = *std::move(limits);
    limiter_.SetLimits(limits_);
  }
  Limiter::Verdict Take(absl::string_view account, uint64_t now_ms, absl::string_view path = "/") {
    const auto id = base::SpiffeId::ForServiceAccount("cluster.local", "demo", account);
    policy::Request request;
    request.kind = policy::Request::Kind::kHttp;
    if (!account.empty()) request.peer = &*id;
    request.method = "GET";
    request.path = path;
    request.target = path;
    return limiter_.Take(request, now_ms);
  }

  std::shared_ptr<const RateLimits> limits_;
  Limiter limiter_{1};
};

TEST_F(LimiterTest, AllowsEverythingWithoutLimits) {
  EXPECT_TRUE(Take("a", 0).allowed);
  EXPECT_EQ(limiter_.buckets(), 0u);
}

TEST_F(LimiterTest, RefusesWhatExceedsTheBurstAndSaysWhenToComeBack) {
  Use({"{limit: {requests: 6, per: 60s, burst: 2}}"});
  EXPECT_TRUE(Take("a", 1000).allowed);
  EXPECT_TRUE(Take("b", 1000).allowed);
  const auto verdict = Take("a", 1000);
  EXPECT_FALSE(verdict.allowed);
  EXPECT_EQ(verdict.policy, "demo/p0");
  EXPECT_EQ(verdict.retry_after_s, 10u);
  EXPECT_FALSE(Take("a", 10'999).allowed);
  EXPECT_TRUE(Take("a", 11'000).allowed);
  EXPECT_FALSE(Take("a", 11'000).allowed);
  // It never holds more than its burst.
  for (const bool allowed : {true, true, false}) EXPECT_EQ(Take("a", 900'000).allowed, allowed);
}

TEST_F(LimiterTest, KeepsABucketForEachPrincipal) {
  Use({"{limit: {key: PRINCIPAL, requests: 1}}"});
  EXPECT_TRUE(Take("a", 0).allowed);
  EXPECT_TRUE(Take("b", 0).allowed);
  EXPECT_FALSE(Take("a", 0).allowed);
  // Peers without identity share one.
  EXPECT_TRUE(Take("", 0).allowed);
  EXPECT_FALSE(Take("", 0).allowed);
}

TEST_F(LimiterTest, KeepsABucketForEachNamespace) {
  Use({"{limit: {key: NAMESPACE, requests: 1}}"});
  EXPECT_TRUE(Take("a", 0).allowed);
  EXPECT_FALSE(Take("b", 0).allowed);
}

TEST_F(LimiterTest, KeepsABucketForEachCertificate) {
  Use({"{limit: {key: CERTIFICATE, requests: 1}}"});
  policy::CertificateView certificate;
  policy::Request request;
  request.certificate = &certificate;
  certificate.fingerprint = "aa";
  EXPECT_TRUE(limiter_.Take(request, 0).allowed);
  EXPECT_FALSE(limiter_.Take(request, 0).allowed);
  certificate.fingerprint = "bb";
  EXPECT_TRUE(limiter_.Take(request, 0).allowed);
}

TEST_F(LimiterTest, CountsOnlyWhatItsRulesMatch) {
  Use({"{rules: [{to: [{operation: {paths: ['/slow*']}}]}], limit: {requests: 1}}"});
  EXPECT_TRUE(Take("a", 0, "/slow/1").allowed);
  EXPECT_FALSE(Take("a", 0, "/slow/2").allowed);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(Take("a", 0, "/fast").allowed);
}

TEST_F(LimiterTest, TakesNothingForWhatAnotherLimitRefuses) {
  Use({"{limit: {requests: 2}}",
       "{rules: [{to: [{operation: {paths: ['/slow']}}]}], limit: {requests: 1, per: 3600s}}"});
  EXPECT_TRUE(Take("a", 0, "/slow").allowed);
  EXPECT_FALSE(Take("a", 0, "/slow").allowed);
  EXPECT_TRUE(Take("a", 0, "/fast").allowed);
  EXPECT_FALSE(Take("a", 0, "/fast").allowed);
}

TEST_F(LimiterTest, KeepsBucketsOfLimitsThatDoNotChange) {
  Use({"{limit: {requests: 1, per: 3600s}}", "{limit: {requests: 5}}"});
  EXPECT_TRUE(Take("a", 0).allowed);
  Use({"{limit: {requests: 1, per: 3600s}}"});
  EXPECT_FALSE(Take("a", 0).allowed);
  Use({"{limit: {requests: 2, per: 3600s}}"});
  EXPECT_TRUE(Take("a", 0).allowed);
}

TEST_F(LimiterTest, BoundsItsBuckets) {
  Use({"{limit: {key: PRINCIPAL, requests: 1, per: 3600s}}"});
  for (size_t i = 0; i < kMaxBuckets + 10; ++i) {
    EXPECT_TRUE(Take(absl::StrCat("a", i), i).allowed);
  }
  EXPECT_EQ(limiter_.buckets(), kMaxBuckets);
  EXPECT_FALSE(Take(absl::StrCat("a", kMaxBuckets), kMaxBuckets).allowed);
  EXPECT_TRUE(Take("a0", kMaxBuckets).allowed);
}

TEST(LimiterWorkersTest, HoldsItsPartOfTheLimit) {
  Limiter limiter(2);
  const auto limits = Compiled({"{limit: {requests: 4}}"});
  ASSERT_TRUE(limits.ok()) << limits.status();
  limiter.SetLimits(*limits);
  for (const bool allowed : {true, true, false}) {
    EXPECT_EQ(limiter.Take(policy::Request(), 0).allowed, allowed);
  }
}

TEST(RateLimitsTest, RefusesPoliciesThatMeanNothing) {
  const struct {
    absl::string_view spec, error;
  } cases[] = {
      {"{}", "demo/p0: spec.limit.requests: must be 1"},
      {"{limit: {requests: 1, per: 0s}}", "demo/p0: spec.limit.per: must be"},
      {"{limit: {requests: 1}, selector: {matchLabels: {a: '*'}}}", "demo/p0: spec.selector"},
      {"{limit: {requests: 1}, rules: [{to: [{operation: {ports: ['x']}}]}]}",
       "demo/p0: spec.rules[0].to[0].operation.ports[0]"},
      {"{limit: {requests: 1, key: USER}}", "key"},
  };
  for (const auto& [spec, error] : cases) {
    EXPECT_THAT(std::string(Compiled({spec}).status().message()), HasSubstr(std::string(error)));
  }
}

}  // namespace
}  // namespace kith::ratelimit
