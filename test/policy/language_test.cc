// The fields of the policy language beyond principals, methods and paths.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "source/policy/claims.h"
#include "source/policy/policy_set.h"
#include "test/policy/policy_text.h"

namespace kith::policy {
namespace {

std::shared_ptr<const PolicySet> One(absl::string_view action, absl::string_view rule) {
  auto compiled = PolicySet::Compile(
      {PolicyOf(absl::StrCat("{action: ", action, ", rules: [{", rule, "}]}"))}, {});
  EXPECT_TRUE(compiled.ok()) << compiled.status();
  return compiled.ok() ? *compiled : PolicySet::DenyAll();
}

base::SocketAddress Address(absl::string_view text) { return *base::SocketAddress::Parse(text); }

Request Http() {
  Request request;
  request.kind = Request::Kind::kHttp;
  request.method = "GET";
  request.path = request.target = "/";
  return request;
}

// Whether an ALLOW, or a DENY, of this condition matches.
bool Matches(absl::string_view action, absl::string_view condition, const Request& request) {
  const bool allowed =
      One(action, absl::StrCat("when: [{", condition, "}]"))->Decide(request).allowed;
  return allowed == (action == "ALLOW");
}

bool HeaderMatches(absl::string_view action, absl::string_view values,
                   const std::vector<HeaderView>& headers) {
  Request request = Http();
  request.headers = headers;
  return Matches(action, absl::StrCat("key: \"request.headers[x-a]\", ", values), request);
}

TEST(LanguageTest, MatchesAddressesByBlock) {
  const auto policies =
      One("ALLOW", "from: [{source: {ipBlocks: [10.1.0.0/16, \"2001:db8::/32\"]}}]");
  Request request;
  for (const auto& [text, allowed] :
       {std::pair("10.1.2.3:5", true), std::pair("10.2.0.1:5", false),
        std::pair("[::ffff:10.1.2.3]:5", true), std::pair("[2001:db8::1]:5", true),
        std::pair("[2001:db9::1]:5", false)}) {
    const base::SocketAddress address = Address(text);
    request.source = &address;
    EXPECT_EQ(policies->Decide(request).allowed, allowed) << text;
  }
  request.source = nullptr;
  EXPECT_FALSE(policies->Decide(request).allowed);
  EXPECT_TRUE(
      One("ALLOW", "from: [{source: {notIpBlocks: [10.0.0.0/8]}}]")->Decide(request).allowed);
}

TEST(LanguageTest, TellsRemoteFromSource) {
  const base::SocketAddress proxy = Address("10.0.0.1:1"), client = Address("192.0.2.7:1");
  Request request;
  request.source = &proxy;
  const auto policies = One("ALLOW", "from: [{source: {remoteIpBlocks: [192.0.2.0/24]}}]");
  EXPECT_FALSE(policies->Decide(request).allowed);
  request.remote = &client;
  EXPECT_TRUE(policies->Decide(request).allowed);
  EXPECT_FALSE(Matches("ALLOW", "key: source.ip, values: [192.0.2.0/24]", request));
  EXPECT_TRUE(Matches("ALLOW", "key: remote.ip, values: [192.0.2.7]", request));
  request.destination = &proxy;
  EXPECT_TRUE(Matches("DENY", "key: destination.ip, values: [10.0.0.1]", request));
}

TEST(LanguageTest, ReadsServiceAccountsInThePolicysNamespace) {
  const auto policies = One("ALLOW", "from: [{source: {serviceAccounts: [web, other/job]}}]");
  for (const auto& [id, allowed] : {std::pair("spiffe://td/ns/demo/sa/web", true),
                                    std::pair("spiffe://x/ns/other/sa/job", true),
                                    std::pair("spiffe://td/ns/other/sa/web", false),
                                    std::pair("spiffe://td/ns/demo/sa/web2", false),
                                    std::pair("spiffe://td/ns/demo/sa/web/more", true),
                                    std::pair("spiffe://td/a/b/ns/demo/x/sa/web", true),
                                    std::pair("spiffe://td/ns/demo/sa", false)}) {
    const auto peer = base::SpiffeId::Parse(id);
    Request request;
    request.peer = &*peer;
    EXPECT_EQ(policies->Decide(request).allowed, allowed) << id;
  }
}

TEST(LanguageTest, TakesDotsInServiceAccountsLiterally) {
  // CVE-2026-39350.
  const auto peer = base::SpiffeId::Parse("spiffe://td/ns/demo/sa/aXb");
  Request request;
  request.peer = &*peer;
  EXPECT_FALSE(One("ALLOW", "from: [{source: {serviceAccounts: [a.b]}}]")->Decide(request).allowed);
}

TEST(LanguageTest, MatchesHostsInAnyCaseAndSpelling) {
  Request request = Http();
  const auto deny = One("DENY", "to: [{operation: {hosts: [Secret.com]}}]");
  const auto allow = One("ALLOW", "to: [{operation: {hosts: [secret.com]}}]");
  const auto allow_not = One("ALLOW", "to: [{operation: {notHosts: [secret.com]}}]");
  for (absl::string_view host :
       {"secret.com", "SECRET.com", "secret.com:80", "secret.com.", "secret.com.:80"}) {
    request.host = host;
    EXPECT_FALSE(deny->Decide(request).allowed) << host;
    EXPECT_FALSE(allow_not->Decide(request).allowed) << host;
    // Istio's way: what admits is compared as it was sent, port and all.
    EXPECT_EQ(allow->Decide(request).allowed, host.size() == 10) << host;
  }
  request.host = "public.com";
  EXPECT_TRUE(deny->Decide(request).allowed);
  EXPECT_TRUE(allow_not->Decide(request).allowed);
}

TEST(LanguageTest, NeedsEveryHeaderLineToAdmit) {
  EXPECT_TRUE(HeaderMatches("ALLOW", "values: [a, b]", {{"X-A", "a"}, {"x-a", "b"}}));
  EXPECT_FALSE(HeaderMatches("ALLOW", "values: [a]", {{"x-a", "a"}, {"x-a", "b"}}));
  EXPECT_FALSE(HeaderMatches("ALLOW", "values: [a]", {{"x-a", "a,b"}}));
  EXPECT_FALSE(HeaderMatches("ALLOW", "values: [a]", {}));
  EXPECT_TRUE(HeaderMatches("ALLOW", "notValues: [a]", {}));
  EXPECT_FALSE(HeaderMatches("ALLOW", "notValues: [a]", {{"x-a", "b, a"}}));
  EXPECT_FALSE(HeaderMatches("ALLOW", "notValues: [\"b,a\"]", {{"x-a", "b"}, {"x-a", "a"}}));
}

TEST(LanguageTest, RefusesForAnyHeaderLineTokenOrJoin) {
  // CVE-2026-26308: the denied value in any of three positions.
  for (const std::vector<HeaderView>& headers :
       {std::vector<HeaderView>{{"x-a", "bad"}, {"x-a", "b"}, {"x-a", "c"}},
        {{"x-a", "b"}, {"x-a", "bad"}, {"x-a", "c"}},
        {{"x-a", "b"}, {"x-a", "c"}, {"x-a", "bad"}},
        {{"x-a", "b, bad"}},
        {{"x-a", "b"}, {"x-a", "c,bad ,d"}}}) {
    EXPECT_TRUE(HeaderMatches("DENY", "values: [bad]", headers));
  }
  EXPECT_TRUE(HeaderMatches("DENY", "values: [\"a, b\"]", {{"x-a", "a"}, {"x-a", "b"}}));
  EXPECT_FALSE(HeaderMatches("DENY", "values: [bad]", {{"x-a", "good"}, {"x-b", "bad"}}));
  EXPECT_TRUE(HeaderMatches("DENY", "notValues: [a]", {{"x-a", "a"}, {"x-a", "\xff"}}));
  EXPECT_FALSE(HeaderMatches("DENY", "notValues: [a]", {{"x-a", "a"}, {"x-a", "a"}}));
  EXPECT_TRUE(HeaderMatches("DENY", "notValues: [a]", {}));
}

TEST(LanguageTest, TakesAStarAsAHeaderThatIsThere) {
  EXPECT_TRUE(HeaderMatches("ALLOW", "values: [\"*\"]", {{"x-a", ""}}));
  EXPECT_FALSE(HeaderMatches("ALLOW", "values: [\"*\"]", {{"x-b", "a"}}));
  Request request = Http();
  request.host = "a:80";
  EXPECT_TRUE(
      Matches("ALLOW", "key: \"request.headers[:authority]\", values: [\"a:80\"]", request));
  EXPECT_TRUE(Matches("ALLOW", "key: \"request.headers[:method]\", values: [GET]", request));
}

TEST(LanguageTest, FailsClosedOnHeadersTooLongToJoin) {
  const std::string half(9'000, 'a');
  EXPECT_TRUE(HeaderMatches("DENY", "values: [b]", {{"x-a", half}, {"x-a", half}}));
  EXPECT_FALSE(HeaderMatches("ALLOW", "notValues: [b]", {{"x-a", half}, {"x-a", half}}));
}

TEST(LanguageTest, FailsClosedOnPathsTooLongToTakeApart) {
  const std::string path = "/;" + std::string(5'000, 'a');
  Request request = Http();
  request.path = path;
  EXPECT_FALSE(One("DENY", "to: [{operation: {paths: [/x]}}]")->Decide(request).allowed);
  EXPECT_FALSE(One("ALLOW", "to: [{operation: {notPaths: [/x]}}]")->Decide(request).allowed);
}

Claim Text(absl::string_view text) {
  Claim claim;
  claim.kind = Claim::Kind::kString;
  claim.text = std::string(text);
  return claim;
}

Claim List(std::vector<Claim> items) {
  Claim claim;
  claim.kind = Claim::Kind::kList;
  claim.items = std::move(items);
  return claim;
}

bool TokenMatches(absl::string_view pattern, absl::string_view issuer, absl::string_view subject) {
  Claims claims;
  claims.payload.kind = Claim::Kind::kMap;
  claims.payload.members = {{"iss", Text(issuer)}, {"sub", Text(subject)}};
  Request request = Http();
  request.claims = &claims;
  return One("ALLOW", absl::StrCat("from: [{source: {requestPrincipals: [\"", pattern, "\"]}}]"))
      ->Decide(request)
      .allowed;
}

TEST(LanguageTest, SplitsRequestPrincipalsAtTheLastSlash) {
  EXPECT_TRUE(TokenMatches("*", "i", "s"));
  EXPECT_FALSE(TokenMatches("*", "i", ""));
  EXPECT_TRUE(TokenMatches("*/s", "i", "s"));
  EXPECT_FALSE(TokenMatches("*/s", "i", "xs"));
  EXPECT_TRUE(TokenMatches("*.com/s", "a.com", "s"));
  EXPECT_TRUE(TokenMatches("*@x", "i", "me@x"));
  EXPECT_TRUE(TokenMatches("https://i/*", "https://i", "s"));
  EXPECT_TRUE(TokenMatches("https://i/s*", "https://i", "st"));
  EXPECT_TRUE(TokenMatches("i*", "idp", "s"));
  EXPECT_TRUE(TokenMatches("i/s", "i", "s"));
  EXPECT_TRUE(TokenMatches("i", "i", ""));
  EXPECT_FALSE(TokenMatches("i", "i", "s"));
  // The traps.
  EXPECT_FALSE(TokenMatches("https://idp*", "https://idp", "s"));
  EXPECT_FALSE(TokenMatches("*/*", "i", "s"));
  EXPECT_FALSE(TokenMatches("*x*", "i", "xy"));
  EXPECT_FALSE(TokenMatches("i/a/b", "i", "a/b"));
}

TEST(LanguageTest, ReadsClaims) {
  Claims claims;
  claims.payload.kind = Claim::Kind::kMap;
  Claim number, nested;
  number.kind = Claim::Kind::kNumber;
  number.text = "5";
  nested.kind = Claim::Kind::kMap;
  nested.members = {{"role", List({number, Text("admin")})}, {"n", number}};
  claims.payload.members = {{"iss", Text("i")},          {"aud", List({Text("x"), Text("y")})},
                            {"azp", Text("p")},          {"scope", Text("read write")},
                            {"groups", Text("dev ops")}, {"realm", nested},
                            {"a.b", Text("dotted")},     {"text", Text("two words")}};
  Request request = Http();
  request.claims = &claims;
  const auto claim = [&](absl::string_view key, absl::string_view value) {
    return Matches("ALLOW",
                   absl::StrCat("key: \"request.auth.", key, "\", values: [\"", value, "\"]"),
                   request);
  };
  EXPECT_TRUE(claim("audiences", "y"));
  EXPECT_TRUE(claim("presenter", "p"));
  EXPECT_TRUE(claim("claims[iss]", "i"));
  EXPECT_TRUE(claim("claims[scope]", "write"));
  EXPECT_FALSE(claim("claims[scope]", "read write"));
  EXPECT_TRUE(claim("claims[text]", "two words"));
  EXPECT_FALSE(claim("claims[groups]", "ops"));
  claims.space_delimited = {"groups"};
  EXPECT_TRUE(claim("claims[groups]", "ops"));
  EXPECT_TRUE(claim("claims[realm][role]", "adm*"));
  EXPECT_FALSE(claim("claims[realm][n]", "5"));
  EXPECT_FALSE(claim("claims[realm]", "*"));
  EXPECT_TRUE(claim("claims[a.b]", "dotted"));
  EXPECT_FALSE(claim("claims[none][b]", "*"));
  EXPECT_TRUE(Matches("ALLOW", "key: \"request.auth.claims[none]\", notValues: [a]", request));
  // Without a token, and without sub.
  EXPECT_FALSE(
      One("ALLOW", "from: [{source: {requestPrincipals: [\"*\"]}}]")->Decide(request).allowed);
  request.claims = nullptr;
  EXPECT_FALSE(claim("claims[iss]", "*"));
}

TEST(LanguageTest, ReadsThePeersCertificate) {
  const absl::string_view units[] = {"Engineering", "DevOps"}, names[] = {"web.example"};
  const std::pair<absl::string_view, absl::string_view> extensions[] = {{"1.2.3", "admin"}};
  CertificateView certificate;
  certificate.subject_ou = units;
  certificate.dns = names;
  certificate.serial = "a1b2";
  certificate.fingerprint = "00ff";
  certificate.issuer = "CN=ca";
  certificate.extensions = extensions;
  Request request;
  request.certificate = &certificate;
  const auto has = [&](absl::string_view key, absl::string_view value) {
    return Matches("ALLOW",
                   absl::StrCat("key: \"source.certificate.", key, "\", values: [\"", value, "\"]"),
                   request);
  };
  EXPECT_TRUE(has("subject.ou", "DevOps"));
  EXPECT_FALSE(has("subject.ou", "Sales"));
  EXPECT_FALSE(has("subject.cn", "*"));
  EXPECT_TRUE(has("serial", "A1:B2"));
  EXPECT_TRUE(has("serial", "00:A1:B2")) << "it is a number";
  EXPECT_TRUE(has("serial", "0a1*"));
  EXPECT_TRUE(has("fingerprint", "00:FF"));
  EXPECT_TRUE(has("issuer", "CN=*"));
  EXPECT_TRUE(has("dns", "*.example"));
  EXPECT_TRUE(has("extension[1.2.3]", "admin"));
  EXPECT_FALSE(has("extension[1.2.4]", "*"));
  request.certificate = nullptr;
  EXPECT_FALSE(has("serial", "*"));
}

TEST(LanguageTest, KnowsWhetherCertificatesAreRead) {
  EXPECT_TRUE(
      One("ALLOW", "when: [{key: source.certificate.dns, values: [a]}]")->reads_certificates());
  EXPECT_TRUE(One("DENY", "when: [{key: \"source.certificate.extension[1.2]\", notValues: [a]}]")
                  ->reads_certificates());
  EXPECT_FALSE(One("ALLOW", "when: [{key: source.principal, values: [a]}]")->reads_certificates());
}

TEST(LanguageTest, AsksTheProviderOfACustomRule) {
  const auto custom = PolicyOf(
      "{action: CUSTOM, provider: {name: opa}, rules: [{to: [{operation: {paths: "
      "[\"/admin*\"]}}]}]}");
  auto policies = *PolicySet::Compile({custom}, {});
  Request request = Http();
  EXPECT_FALSE(policies->MatchCustom(request));
  request.path = "/admin;x";
  ASSERT_TRUE(policies->MatchCustom(request));
  EXPECT_EQ(policies->MatchCustom(request)->provider, "opa");
  EXPECT_TRUE(policies->Decide(request).allowed);
  auto other = custom;
  other.mutable_spec()->mutable_provider()->set_name("second");
  policies = *PolicySet::Compile({custom, other}, {});
  EXPECT_EQ(policies->MatchCustom(request)->provider, "");
}

TEST(LanguageTest, MarksForAudit) {
  const auto policies = One("AUDIT", "to: [{operation: {methods: [GET]}}]");
  Request request = Http();
  EXPECT_TRUE(policies->Decide(request).audit);
  EXPECT_TRUE(policies->Decide(request).allowed);
  request.method = "PUT";
  EXPECT_FALSE(policies->Decide(request).audit);
}

TEST(LanguageTest, TriesDryRunsOutWithoutEnforcingThem) {
  auto policy = PolicyOf("{rules: [{to: [{operation: {methods: [GET]}}]}]}");
  (*policy.mutable_metadata()->mutable_annotations())["istio.io/dry-run"] = "true";
  const auto policies = *PolicySet::Compile({policy}, {});
  Request request = Http();
  request.method = "PUT";
  EXPECT_TRUE(policies->Decide(request).allowed);
  EXPECT_TRUE(policies->has_dry_run());
  EXPECT_FALSE(policies->DecideDryRun(request).allowed);
  EXPECT_FALSE(PolicySet::AllowAll()->has_dry_run());
}

TEST(LanguageTest, ExplainsTheNearestMiss) {
  const auto policies = One("ALLOW",
                            "from: [{source: {namespaces: [x]}}, {source: {principals: "
                            "[cluster.local/ns/demo/sa/web], ipBlocks: [10.0.0.0/8]}}], to: "
                            "[{operation: {methods: [GET], paths: [\"/api/*\"]}}]");
  const auto peer = base::SpiffeId::Parse("spiffe://cluster.local/ns/demo/sa/web");
  const base::SocketAddress source = Address("10.0.0.1:1");
  Request request = Http();
  request.peer = &*peer;
  request.source = &source;
  request.path = "/admin";
  const Explanation denied = policies->Explain(request);
  ASSERT_EQ(denied.mismatches.size(), 1u);
  EXPECT_EQ(denied.nearest_policy, "demo/p");
  EXPECT_EQ(denied.nearest_rule, 0);
  EXPECT_EQ(denied.mismatches[0].field, "to[0].operation.paths");
  EXPECT_EQ(denied.mismatches[0].expected, std::vector<std::string>{"/api/*"});
  EXPECT_EQ(denied.mismatches[0].got, "\"/admin\"");
  EXPECT_EQ(denied.ToString(),
            "denied: no rule matched of the ALLOW policies demo/p; nearest is demo/p rules[0]: "
            "to[0].operation.paths expects /api/*, got \"/admin\"");
  request.path = "/api/x";
  const Decision decision = policies->Decide(request);
  EXPECT_EQ(decision.from, 1);
  EXPECT_EQ(decision.to, 0);
  EXPECT_EQ(policies->Explain(request).ToString(), "allowed by demo/p rules[0].from[1], to[0]");
}

TEST(LanguageTest, ExplainsThatTcpHasNoPaths) {
  const auto policies = One("ALLOW", "to: [{operation: {paths: [\"/api/*\"]}}]");
  EXPECT_EQ(policies->Explain(Request()).ToString(),
            "denied: no rule matched of the ALLOW policies demo/p; nearest is demo/p rules[0]: "
            "to[0].operation.paths expects /api/*, got a TCP stream, which has none");
}

}  // namespace
}  // namespace kith::policy
