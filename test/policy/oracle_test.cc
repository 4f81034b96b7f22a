// PolicySet and the oracle agree on random policies and requests.
#include "test/policy/oracle.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "kith/security/v1/authorization_policy.pb.h"
#include "source/base/spiffe_id.h"
#include "source/policy/policy_set.h"

namespace kith::policy {
namespace {

using security::v1::AuthorizationPolicy;
using security::v1::AuthorizationPolicySpec;
using security::v1::Operation;
using security::v1::Source;
using List = google::protobuf::RepeatedPtrField<std::string>;

// Few words, so that policies and requests meet often.
class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed) {}

  std::vector<AuthorizationPolicy> Policies() {
    std::vector<AuthorizationPolicy> policies(Below(5));
    for (size_t i = 0; i < policies.size(); ++i) {
      policies[i].mutable_metadata()->set_namespace_("demo");
      policies[i].mutable_metadata()->set_name("p" + std::to_string(i));
      AuthorizationPolicySpec& spec = *policies[i].mutable_spec();
      if (Below(2)) spec.set_action(AuthorizationPolicySpec::DENY);
      const size_t rules = Below(3) + (spec.action() == AuthorizationPolicySpec::DENY);
      for (size_t rule = 0; rule < rules; ++rule) FillRule(*spec.add_rules());
      if (!Below(20)) {
        spec.add_target_refs()->set_kind("Service");
        spec.mutable_target_refs(0)->set_name("gateway");
      }
    }
    return policies;
  }

  PolicySet::Options Options() {
    PolicySet::Options options;
    options.trust_domain = TrustDomain();
    for (size_t i = Below(3); i > 0; --i) {
      options.trust_domain_aliases.push_back(Pick({TrustDomain(), "*local", "old*", "x.*"}));
    }
    return options;
  }

  OracleRequest Request() {
    OracleRequest request;
    request.http = Below(3) > 0;
    if (Below(6)) {
      request.spiffe_id = "spiffe://" + TrustDomain();
      const std::string account = "/sa/" + Word();
      request.spiffe_id +=
          Below(8) ? "/ns/" + Word() + account
                   : Pick({"", "/workload", "/ns/a", "/a/ns/a/sa/a", "/ns/a/b", "/ns/b/sa/a/more"});
    }
    request.port = std::stoi(Port());
    request.method = Pick({"GET", "POST", "PUT", "get"});
    request.has_path = Below(10) > 0;
    request.path = Path();
    return request;
  }

 private:
  size_t Below(size_t bound) {
    return std::uniform_int_distribution<size_t>(0, bound - 1)(random_);
  }
  std::string Pick(const std::vector<std::string>& from) { return from[Below(from.size())]; }
  std::string Word() { return Pick({"a", "b", "ab", "aba", "ba", "a.b"}); }
  std::string TrustDomain() { return Pick({"cluster.local", "old.td", "x.local", "td"}); }
  std::string Port() { return Pick({"0", "80", "8080", "65535"}); }

  std::string WithStars(std::string text) {
    switch (Below(8)) {
      case 0:
        return "*";
      case 1:
        return "*" + text.substr(Below(text.size() + 1));
      case 2:
        return text.substr(0, Below(text.size() + 1)) + "*";
      case 3:
        return "*" + text + "*";
      case 4:
        return text.insert(Below(text.size() + 1), "*");
      default:
        return text;
    }
  }

  std::string Principal() {
    if (!Below(6)) return WithStars(Pick({TrustDomain(), "td/workload", "td/ns/a", "sa/a", "/"}));
    std::string domain = TrustDomain();
    if (!Below(4)) domain = Pick({"*", "*local", "x*", "*.td", "other", "*x"});
    std::string name = domain + "/ns/" + Word() + "/sa/" + Word();
    return Below(3) ? name : WithStars(name);
  }
  std::string Namespace() {
    const std::string word = Word();
    return Pick({word, word, word + "*", "*" + word, "*", "a*a", "*b*", "a**", "*.*"});
  }
  std::string Path() {
    std::string path;
    for (size_t segments = 1 + Below(4); segments > 0; --segments) {
      path += Pick({"/a", "/b", "/ab", "/", "/a;x", "/;", "/.;y=1", "/;a;b", "/b;", "/..", "/."});
    }
    return path;
  }
  std::string Method() { return Pick({"GET", "POST", "*", "P*", "*T", "get", "PU*T"}); }

  template <typename Make>
  void Fill(List& list, Make make) {
    for (size_t i = 1 + Below(2); i > 0; --i) *list.Add() = make();
  }
  void FillSource(Source& source) {
    const auto principal = [this] { return Principal(); };
    const auto name_space = [this] { return Namespace(); };
    if (!Below(2)) Fill(*source.mutable_principals(), principal);
    if (!Below(4)) Fill(*source.mutable_not_principals(), principal);
    if (!Below(3)) Fill(*source.mutable_namespaces(), name_space);
    if (!Below(4) || source.ByteSizeLong() == 0) Fill(*source.mutable_not_namespaces(), name_space);
  }
  void FillOperation(Operation& operation) {
    const auto port = [this] { return Port(); };
    const auto method = [this] { return Method(); };
    const auto path = [this] { return WithStars(Path()); };
    if (!Below(3)) Fill(*operation.mutable_ports(), port);
    if (!Below(6)) Fill(*operation.mutable_not_ports(), port);
    if (!Below(4)) Fill(*operation.mutable_methods(), method);
    if (!Below(6)) Fill(*operation.mutable_not_methods(), method);
    if (!Below(3)) Fill(*operation.mutable_paths(), path);
    if (!Below(4) || operation.ByteSizeLong() == 0) Fill(*operation.mutable_not_paths(), path);
  }
  void FillRule(security::v1::Rule& rule) {
    for (size_t i = Below(3); i > 0; --i) FillSource(*rule.add_from()->mutable_source());
    for (size_t i = Below(3); i > 0; --i) FillOperation(*rule.add_to()->mutable_operation());
  }

  std::mt19937_64 random_;
};

Decision Decide(const PolicySet& policies, const OracleRequest& from) {
  Request request;
  request.kind = from.http ? Request::Kind::kHttp : Request::Kind::kTcp;
  absl::StatusOr<base::SpiffeId> peer = base::SpiffeId::Parse(from.spiffe_id);
  EXPECT_TRUE(peer.ok() || from.spiffe_id.empty()) << peer.status();
  if (peer.ok()) request.peer = &*peer;
  request.destination_port = static_cast<uint16_t>(from.port);
  request.method = from.method;
  request.path = from.path;
  request.has_path = from.has_path;
  return policies.Decide(request);
}

std::string Describe(const std::vector<AuthorizationPolicy>& policies, const OracleRequest& request,
                     const std::vector<std::string>& trust_domains) {
  std::string text = request.spiffe_id + (request.http ? " http " : " tcp ") + request.method +
                     " " + request.path + " port " + std::to_string(request.port) + "\n";
  for (const std::string& domain : trust_domains) text += domain + " ";
  for (const AuthorizationPolicy& policy : policies) text += "\n" + policy.DebugString();
  return text;
}

TEST(OracleTest, AgreesOnRandomPoliciesAndRequests) {
  // More for a long run: KITH_ORACLE_SETS=400000 asks ten million questions.
  const char* const wanted = std::getenv("KITH_ORACLE_SETS");
  const int policy_sets = wanted != nullptr ? std::atoi(wanted) : 8'000;
  constexpr int kRequests = 25;
  Generator generator(20240501);
  int allowed = 0, by_rule = 0;
  for (int set = 0; set < policy_sets; ++set) {
    std::vector<AuthorizationPolicy> policies = generator.Policies();
    const PolicySet::Options options = generator.Options();
    std::vector<std::string> trust_domains = {options.trust_domain};
    for (const std::string& alias : options.trust_domain_aliases) trust_domains.push_back(alias);
    const auto compiled = PolicySet::Compile(policies, options);
    ASSERT_TRUE(compiled.ok()) << compiled.status();
    std::reverse(policies.begin(), policies.end());
    const auto reversed = PolicySet::Compile(policies, options);
    ASSERT_TRUE(reversed.ok()) << reversed.status();
    for (int i = 0; i < kRequests; ++i) {
      const OracleRequest request = generator.Request();
      const OracleAnswer answer = Ask(policies, trust_domains, request);
      const Decision decision = Decide(**compiled, request);
      ASSERT_EQ(decision.allowed, answer.allowed) << Describe(policies, request, trust_domains);
      ASSERT_EQ(decision.rule >= 0, !answer.deciding.empty());
      if (decision.rule >= 0) {
        ASSERT_TRUE(answer.deciding.count({std::string(decision.policy), decision.rule}))
            << decision.policy << " " << decision.rule;
      }
      ASSERT_EQ(Decide(**reversed, request).allowed, decision.allowed) << "order must not matter";
      allowed += decision.allowed;
      by_rule += decision.rule >= 0;
    }
  }
  // The two agree on something: every outcome is common.
  const int all = policy_sets * kRequests;
  EXPECT_GT(allowed, all / 5);
  EXPECT_LT(allowed, all * 4 / 5);
  EXPECT_GT(by_rule, all / 5);
}

}  // namespace
}  // namespace kith::policy
