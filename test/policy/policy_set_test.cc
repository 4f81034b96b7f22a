#include "source/policy/policy_set.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "source/base/spiffe_id.h"
#include "test/policy/policy_text.h"

namespace kith::policy {
namespace {

base::SpiffeId Id(absl::string_view text) {
  const auto id = base::SpiffeId::Parse(text);
  EXPECT_TRUE(id.ok()) << id.status();
  return *id;
}

const base::SpiffeId kFrontend = Id("spiffe://cluster.local/ns/demo/sa/frontend");
const base::SpiffeId kIntruder = Id("spiffe://cluster.local/ns/evil/sa/intruder");

Request Tcp(const base::SpiffeId* peer, uint16_t port = 8080) {
  Request request;
  request.peer = peer;
  request.destination_port = port;
  return request;
}

Request Http(const base::SpiffeId* peer, absl::string_view method, absl::string_view path) {
  Request request = Tcp(peer);
  request.kind = Request::Kind::kHttp;
  request.method = method;
  request.path = path;
  return request;
}

std::shared_ptr<const PolicySet> Compile(
    const std::vector<security::v1::AuthorizationPolicy>& policies,
    const PolicySet::Options& options = {}) {
  auto compiled = PolicySet::Compile(policies, options);
  EXPECT_TRUE(compiled.ok()) << compiled.status();
  return compiled.ok() ? *compiled : PolicySet::DenyAll();
}

std::shared_ptr<const PolicySet> One(absl::string_view spec) { return Compile({PolicyOf(spec)}); }

// A policy of one rule.
std::shared_ptr<const PolicySet> Rule(absl::string_view action, absl::string_view rule) {
  return One(absl::StrCat("{action: ", action, ", rules: [{", rule, "}]}"));
}

// "allow demo/p[0]", "deny -".
std::string Say(const Decision& decision) {
  return absl::StrCat(decision.allowed ? "allow " : "deny ",
                      decision.rule < 0 ? std::string("-")
                                        : absl::StrCat(decision.policy, "[", decision.rule, "]"));
}

TEST(PolicySetTest, AllowsWithoutPolicies) {
  EXPECT_EQ(Say(Compile({})->Decide(Tcp(nullptr))), "allow -");
  EXPECT_EQ(Say(PolicySet::AllowAll()->Decide(Tcp(nullptr))), "allow -");
  EXPECT_FALSE(PolicySet::AllowAll()->reads_paths());
}

TEST(PolicySetTest, DeniesEverythingUntilToldOtherwise) {
  EXPECT_EQ(Say(PolicySet::DenyAll()->Decide(Tcp(&kFrontend))), "deny -");
  EXPECT_EQ(Say(PolicySet::DenyAll()->Decide(Http(&kFrontend, "GET", "/"))), "deny -");
}

TEST(PolicySetTest, DeniesByDefaultFromTheFirstAllowOn) {
  EXPECT_EQ(Say(One("{}")->Decide(Tcp(&kFrontend))), "deny -");
  const auto policies =
      Rule("ALLOW", "from: [{source: {principals: [cluster.local/ns/demo/sa/frontend]}}]");
  EXPECT_EQ(Say(policies->Decide(Tcp(&kFrontend))), "allow demo/p[0]");
  EXPECT_EQ(Say(policies->Decide(Tcp(&kIntruder))), "deny -");
  EXPECT_EQ(Say(policies->Decide(Tcp(nullptr))), "deny -");
}

TEST(PolicySetTest, AllowsByDefaultBesideADeny) {
  const auto policies = Rule("DENY", "from: [{source: {namespaces: [evil]}}]");
  EXPECT_EQ(Say(policies->Decide(Tcp(&kIntruder))), "deny demo/p[0]");
  EXPECT_EQ(Say(policies->Decide(Tcp(&kFrontend))), "allow -");
  EXPECT_EQ(Say(policies->Decide(Tcp(nullptr))), "allow -");
}

TEST(PolicySetTest, DeniesBeforeItAllows) {
  auto allow = PolicyOf("{rules: [{}]}");
  auto deny = PolicyOf(
      "{action: DENY, rules: [{to: [{operation: {ports: [\"1\"]}}]}, {to: "
      "[{operation: {ports: [\"8080\"]}}]}]}");
  deny.mutable_metadata()->set_name("d");
  EXPECT_EQ(Say(Compile({allow, deny})->Decide(Tcp(&kFrontend))), "deny demo/d[1]");
  EXPECT_EQ(Say(Compile({deny, allow})->Decide(Tcp(&kFrontend))), "deny demo/d[1]");
  EXPECT_EQ(Say(Compile({deny, allow})->Decide(Tcp(&kFrontend, 9))), "allow demo/p[0]");
}

TEST(PolicySetTest, MatchesAnyFromAndAnyTo) {
  const auto policies =
      Rule("ALLOW",
           "from: [{source: {namespaces: [a]}}, {source: {namespaces: [demo]}}], "
           "to: [{operation: {ports: [\"1\"]}}, {operation: {ports: [\"8080\"]}}]");
  EXPECT_TRUE(policies->Decide(Tcp(&kFrontend)).allowed);
  EXPECT_FALSE(policies->Decide(Tcp(&kFrontend, 2)).allowed);
  EXPECT_FALSE(policies->Decide(Tcp(&kIntruder)).allowed);
}

TEST(PolicySetTest, MatchesEveryFieldOfASource) {
  const auto policies = Rule("ALLOW",
                             "from: [{source: {principals: [\"*\"], namespaces: [demo], "
                             "notPrincipals: [\"*/intruder\"]}}]");
  EXPECT_TRUE(policies->Decide(Tcp(&kFrontend)).allowed);
  EXPECT_FALSE(policies->Decide(Tcp(&kIntruder)).allowed);
  const auto id = Id("spiffe://cluster.local/ns/demo/sa/intruder");
  EXPECT_FALSE(policies->Decide(Tcp(&id)).allowed);
}

TEST(PolicySetTest, TakesNotAnyPrincipalAsAPeerWithoutIdentity) {
  const auto policies = Rule("DENY", "from: [{source: {notPrincipals: [\"*\"]}}]");
  EXPECT_FALSE(policies->Decide(Tcp(nullptr)).allowed);
  EXPECT_TRUE(policies->Decide(Tcp(&kIntruder)).allowed);
}

TEST(PolicySetTest, LetsPlaintextThroughNegativeFieldsOfAnAllow) {
  // Istio's semantics, where only a positive field asks for an identity (ISTIO-SECURITY-2021-004).
  const auto policies = Rule("ALLOW", "from: [{source: {notNamespaces: [evil]}}]");
  EXPECT_TRUE(policies->Decide(Tcp(nullptr)).allowed);
  EXPECT_TRUE(policies->Decide(Tcp(&kFrontend)).allowed);
  EXPECT_FALSE(policies->Decide(Tcp(&kIntruder)).allowed);
}

TEST(PolicySetTest, MatchesPrincipalSuffixesOnTcp) {
  // CVE-2020-16844.
  const auto policies = Rule("DENY", "from: [{source: {principals: [\"*/sa/intruder\"]}}]");
  EXPECT_FALSE(policies->Decide(Tcp(&kIntruder)).allowed);
  EXPECT_FALSE(policies->Decide(Http(&kIntruder, "GET", "/")).allowed);
  EXPECT_TRUE(policies->Decide(Tcp(&kFrontend)).allowed);
}

TEST(PolicySetTest, ReadsNamespacesAsGlobs) {
  const auto policies = Rule("ALLOW", "from: [{source: {namespaces: [\"d*m*\"]}}]");
  EXPECT_TRUE(policies->Decide(Tcp(&kFrontend)).allowed);
  EXPECT_FALSE(policies->Decide(Tcp(&kIntruder)).allowed);
  const auto foreign = Id("spiffe://cluster.local/workload/demo/x");
  EXPECT_FALSE(policies->Decide(Tcp(&foreign)).allowed);
}

TEST(PolicySetTest, KnowsTheMeshByItsAliases) {
  PolicySet::Options options;
  options.trust_domain = "New.example";
  options.trust_domain_aliases = {"old.example"};
  const auto policies = Compile(
      {PolicyOf(
          "{rules: [{from: [{source: {principals: [cluster.local/ns/demo/sa/frontend]}}]}]}")},
      options);
  const auto current = Id("spiffe://new.example/ns/demo/sa/frontend");
  const auto old = Id("spiffe://old.example/ns/demo/sa/frontend");
  EXPECT_TRUE(policies->Decide(Tcp(&current)).allowed);
  EXPECT_TRUE(policies->Decide(Tcp(&old)).allowed);
  EXPECT_FALSE(policies->Decide(Tcp(&kFrontend)).allowed);
}

TEST(PolicySetTest, MatchesEveryFieldOfAnOperation) {
  const auto policies = Rule("ALLOW",
                             "to: [{operation: {methods: [GET, \"P*\"], notMethods: [PUT], "
                             "paths: [\"/api/*\"], notPaths: [\"*/secret\"], ports: "
                             "[\"8080\"]}}]");
  EXPECT_TRUE(policies->Decide(Http(nullptr, "GET", "/api/x")).allowed);
  EXPECT_TRUE(policies->Decide(Http(nullptr, "POST", "/api/x")).allowed);
  EXPECT_FALSE(policies->Decide(Http(nullptr, "PUT", "/api/x")).allowed);
  EXPECT_FALSE(policies->Decide(Http(nullptr, "get", "/api/x")).allowed);
  EXPECT_FALSE(policies->Decide(Http(nullptr, "GET", "/api")).allowed);
  EXPECT_FALSE(policies->Decide(Http(nullptr, "GET", "/api/secret")).allowed);
  Request request = Http(nullptr, "GET", "/api/x");
  request.destination_port = 80;
  EXPECT_FALSE(policies->Decide(request).allowed);
  EXPECT_TRUE(policies->reads_paths());
}

TEST(PolicySetTest, ExcludesPorts) {
  const auto policies = Rule("ALLOW", "to: [{operation: {notPorts: [\"80\", \"443\"]}}]");
  EXPECT_TRUE(policies->Decide(Tcp(&kFrontend)).allowed);
  EXPECT_FALSE(policies->Decide(Tcp(&kFrontend, 443)).allowed);
}

TEST(PolicySetTest, TakesConnectAsAMissingPath) {
  Request connect = Http(nullptr, "CONNECT", "/ignored");
  connect.has_path = false;
  EXPECT_FALSE(Rule("ALLOW", "to: [{operation: {paths: [\"*\"]}}]")->Decide(connect).allowed);
  EXPECT_TRUE(Rule("ALLOW", "to: [{operation: {notPaths: [\"*\"]}}]")->Decide(connect).allowed);
}

TEST(PolicySetTest, DropsAllowRulesOfHttpOnTcp) {
  const auto policies =
      One("{rules: [{to: [{operation: {methods: [GET]}}, {operation: {ports: [\"8080\"]}}]}, {to: "
          "[{operation: {ports: [\"9\"]}}]}]}");
  EXPECT_EQ(Say(policies->Decide(Tcp(&kFrontend))), "deny -");
  EXPECT_EQ(Say(policies->Decide(Tcp(&kFrontend, 9))), "allow demo/p[1]");
  EXPECT_EQ(Say(policies->Decide(Http(&kFrontend, "POST", "/"))), "allow demo/p[0]");
}

TEST(PolicySetTest, StillDeniesByDefaultOnTcpWhenAllRulesAreOfHttp) {
  for (absl::string_view field : {"methods", "notMethods", "paths", "notPaths"}) {
    const auto policies = Rule("ALLOW", absl::StrCat("to: [{operation: {", field, ": [\"*\"]}}]"));
    EXPECT_EQ(Say(policies->Decide(Tcp(&kFrontend))), "deny -") << field;
  }
}

TEST(PolicySetTest, KeepsWhatTcpHasOfDenyRules) {
  const auto policies = Rule("DENY",
                             "from: [{source: {namespaces: [evil]}}], to: [{operation: "
                             "{methods: [GET], ports: [\"8080\"]}}]");
  EXPECT_FALSE(policies->Decide(Tcp(&kIntruder)).allowed);
  EXPECT_TRUE(policies->Decide(Tcp(&kIntruder, 9)).allowed);
  EXPECT_TRUE(policies->Decide(Tcp(&kFrontend)).allowed);
  EXPECT_TRUE(policies->Decide(Http(&kIntruder, "PUT", "/")).allowed);
}

TEST(PolicySetTest, DeniesAllTcpWhenADenyHasNothingElse) {
  for (absl::string_view field : {"methods", "notMethods", "paths", "notPaths"}) {
    const auto policies =
        Rule("DENY", absl::StrCat("to: [{operation: {", field, ": [\"nothing\"]}}]"));
    EXPECT_EQ(Say(policies->Decide(Tcp(&kFrontend))), "deny demo/p[0]") << field;
  }
  // One operation left with nothing matches, whatever its neighbour asks.
  const auto mixed =
      Rule("DENY", "to: [{operation: {paths: [/x]}}, {operation: {ports: [\"1\"]}}]");
  EXPECT_FALSE(mixed->Decide(Tcp(&kFrontend)).allowed);
}

TEST(PolicySetTest, SeesThroughPathParametersInDeny) {
  const auto policies = Rule("DENY", "to: [{operation: {paths: [/admin, \"/admin/*\"]}}]");
  for (absl::string_view path : {"/admin", "/admin;a=b", "/admin;a=b/x", "/admin/;x", "/;x/admin",
                                 "/.;x/admin", "/admin;/x;"}) {
    EXPECT_FALSE(policies->Decide(Http(&kFrontend, "GET", path)).allowed) << path;
  }
  EXPECT_TRUE(policies->Decide(Http(&kFrontend, "GET", "/public;admin")).allowed);
}

TEST(PolicySetTest, SeesThroughPathParametersInNotPathsOfAllow) {
  const auto policies = Rule("ALLOW", "to: [{operation: {notPaths: [/admin]}}]");
  EXPECT_FALSE(policies->Decide(Http(&kFrontend, "GET", "/admin")).allowed);
  EXPECT_FALSE(policies->Decide(Http(&kFrontend, "GET", "/admin;x")).allowed);
  EXPECT_TRUE(policies->Decide(Http(&kFrontend, "GET", "/x")).allowed);
}

TEST(PolicySetTest, TakesPathsLiterallyWhereAMatchAllows) {
  const auto policies = Rule("ALLOW", "to: [{operation: {paths: [/public]}}]");
  EXPECT_TRUE(policies->Decide(Http(&kFrontend, "GET", "/public")).allowed);
  EXPECT_FALSE(policies->Decide(Http(&kFrontend, "GET", "/public;x")).allowed);
  const auto deny_others = Rule("DENY", "to: [{operation: {notPaths: [/public]}}]");
  EXPECT_FALSE(deny_others->Decide(Http(&kFrontend, "GET", "/public;x")).allowed);
}

TEST(PolicySetTest, ComparesPathsAsBytes) {
  // CVE-2026-73552: a byte that is not UTF-8 opens nothing.
  const auto policies = Rule("DENY", "to: [{operation: {notPaths: [/public]}}]");
  EXPECT_FALSE(policies->Decide(Http(&kFrontend, "GET", "/\xff")).allowed);
}

TEST(PolicySetTest, LeavesOutPoliciesForGateways) {
  const auto policies = One("{targetRefs: [{kind: Service, name: g}], rules: []}");
  EXPECT_EQ(Say(policies->Decide(Tcp(&kFrontend))), "allow -");
}

TEST(PolicySetTest, RefusesTheWholeSetForOneBadPolicy) {
  const auto compiled = PolicySet::Compile(
      {PolicyOf("{rules: [{}]}"),
       PolicyOf("{action: DENY, rules: [{when: [{key: source.Ip, values: [10.0.0.1]}]}]}")},
      {});
  EXPECT_EQ(compiled.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(compiled.status().message(),
            "demo/p: spec.rules[0].when[0].key: \"source.Ip\" is unknown; docs/authorization.md "
            "lists the keys");
}

TEST(PolicySetTest, NamesTheAllowPoliciesThatLetNobodyIn) {
  auto first = PolicyOf("{rules: []}"), second = first;
  second.mutable_metadata()->set_name("q");
  const auto deny = PolicyOf("{action: DENY, rules: [{}]}");
  EXPECT_EQ(Compile({first, deny, second})->unmatched(),
            "no rule matched of the ALLOW policies demo/p, demo/q");
  EXPECT_EQ(PolicySet::DenyAll()->unmatched(), "the control plane has sent no policies yet");
}

TEST(PolicySetTest, TellsWhetherRulesReadPaths) {
  EXPECT_FALSE(Rule("ALLOW", "to: [{operation: {methods: [GET]}}]")->reads_paths());
  EXPECT_TRUE(Rule("ALLOW", "to: [{operation: {paths: [/a]}}]")->reads_paths());
  EXPECT_TRUE(Rule("DENY", "to: [{operation: {notPaths: [/a]}}]")->reads_paths());
}

}  // namespace
}  // namespace kith::policy
