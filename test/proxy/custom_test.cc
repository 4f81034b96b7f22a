// What policies ask of others and of certificates, in the data path.
#include <gtest/gtest.h>

#include <future>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "test/policy/policy_text.h"
#include "test/proxy/proxy_pair.h"

namespace kith::proxy {
namespace {

std::string PolicyText(absl::string_view spec) {
  return absl::StrCat(
      "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n"
      "metadata: {name: p, namespace: n}\nspec: ",
      spec, "\n");
}

constexpr char kAsk[] = "{action: CUSTOM, provider: {name: opa}, rules: [{}]}";

// Gives the server these policies, and waits until they are in force.
void SetPolicies(ProxyPair& pair, absl::string_view spec,
                 std::vector<extauthz::Provider> providers = {}) {
  policy::PolicySet::Options options;
  options.trust_domain = "td";
  auto policies = policy::PolicySet::Compile(policy::Policies(PolicyText(spec)), options);
  ASSERT_TRUE(policies.ok()) << policies.status();
  auto snapshot = std::make_shared<mesh::Snapshot>();
  snapshot->modes.mode = pair.options.mode;
  pair.server->SetConfig(
      {.snapshot = snapshot,
       .policies = *policies,
       .providers = std::make_shared<const std::vector<extauthz::Provider>>(std::move(providers))});
  std::promise<void> done;
  pair.server->Query([&done](const Worker::Activity&) { done.set_value(); });
  done.get_future().wait();
}

extauthz::Provider Http(uint16_t port) {
  extauthz::Provider provider;
  provider.name = "opa";
  provider.protocol = extauthz::Provider::Protocol::kHttp;
  provider.service = "opa";
  provider.port = 80;
  provider.timeout = absl::Seconds(5);
  provider.addresses = {absl::StrCat("127.0.0.1:", port)};
  return provider;
}

TEST(CustomTest, AsksOverConnectionsThatStay) {
  Application application(Answering(kOk)), authorizer(Answering(kOk));
  ProxyPair pair(application.port());
  SetPolicies(pair, kAsk, {Http(authorizer.port())});
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(absl::EndsWith(pair.Get(), "ok"));
  EXPECT_EQ(authorizer.accepted(), 1);
  EXPECT_TRUE(absl::StrContains(
      pair.ServerMetrics(),
      "kith_external_authorizations_total{provider=\"opa\",result=\"allowed\"} 20"));
}

TEST(CustomTest, RefusesAnAnswerThatIsTooLong) {
  Application application(Answering(kOk));
  Application authorizer(Answering(
      absl::StrCat("HTTP/1.1 403 No\r\nContent-Length: 100000\r\n\r\n", std::string(100000, 'x'))));
  ProxyPair pair(application.port());
  SetPolicies(pair, kAsk, {Http(authorizer.port())});
  const std::string answer = pair.Get();
  EXPECT_TRUE(absl::StartsWith(answer, "HTTP/1.1 403 ")) << answer.substr(0, 100);
  EXPECT_LT(answer.size(), 1000u);
  EXPECT_EQ(application.accepted(), 0);
}

TEST(CustomTest, DeniesByPoliciesThatCameWhileTheAuthorizerThought) {
  std::promise<void> asked, may_answer;
  Application application(Answering(kOk));
  Application authorizer([&](Client& connection) {
    connection.ReadUntil("\r\n\r\n");
    asked.set_value();
    may_answer.get_future().wait();
    connection.Send(kOk);
  });
  ProxyPair pair(application.port());
  SetPolicies(pair, kAsk, {Http(authorizer.port())});
  Client client(pair.outbound_port());
  client.Send("GET / HTTP/1.1\r\nHost: s\r\nConnection: close\r\n\r\n");
  asked.get_future().wait();
  SetPolicies(pair, "{action: DENY, rules: [{}]}");
  may_answer.set_value();
  const std::string answer = client.ReadAll();
  EXPECT_TRUE(absl::StartsWith(answer, "HTTP/1.1 403 ")) << answer;
  EXPECT_EQ(application.accepted(), 0);
}

TEST(CustomTest, IsToldToACallerWithDebugHeaders) {
  Application application(Answering(kOk));
  Application authorizer(Answering("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"));
  ProxyPair pair(application.port());
  SetPolicies(pair, kAsk, {Http(authorizer.port())});
  const auto answers = [&](absl::string_view text) { return absl::StrContains(pair.Get(), text); };
  EXPECT_FALSE(answers("x-kith-decision"));
  pair.server->SetDebugCallers({"spiffe://td/ns/n/sa/client"});
  EXPECT_TRUE(answers("x-kith-decision: deny;reason=external_denied;")) << pair.Get();
  EXPECT_TRUE(answers(";policy=\"n/p\";rule=0;request=\"")) << pair.Get();
  SetPolicies(pair, "{rules: [{}]}");
  EXPECT_TRUE(answers("x-kith-decision: allow;policy=\"n/p\";rule=0;request=")) << pair.Get();
  pair.server->SetDebugCallers({"spiffe://td/ns/n/sa/other"});
  EXPECT_FALSE(answers("x-kith-decision"));
}

TEST(CustomTest, DoesNotAskAnHttpAuthorizerAboutTcp) {
  Application application([](Client& connection) { connection.Send("hello"); });
  Application authorizer(Answering("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"));
  ProxyPair::Options options;
  options.protocol = mesh::Protocol::kTcp;
  ProxyPair pair(application.port(), options);
  SetPolicies(pair, kAsk, {Http(authorizer.port())});
  EXPECT_EQ(Client(pair.outbound_port()).ReadAll(), "hello");
  SetPolicies(pair, kAsk);
  EXPECT_FALSE(absl::StrContains(Client(pair.outbound_port()).ReadAll(), "hello"))
      << "a provider that is not there";
}

class CertificateConditionTest : public testing::TestWithParam<mesh::Protocol> {
 protected:
  // Whether the client's request or connection reaches the application.
  bool Reaches(absl::string_view spec, mesh::MtlsMode mode = mesh::MtlsMode::kStrict) {
    Application application([](Client& connection) {
      connection.ReadUntil("\r\n\r\n");
      connection.Send(kOk);
    });
    ProxyPair::Options options;
    options.protocol = GetParam();
    options.mode = mode;
    ProxyPair pair(application.port(), options);
    SetPolicies(pair, spec);
    Client client(pair.outbound_port());
    client.Send("GET / HTTP/1.1\r\nHost: s\r\nConnection: close\r\n\r\n");
    return absl::EndsWith(client.ReadAll(), "ok");
  }
};

INSTANTIATE_TEST_SUITE_P(Protocols, CertificateConditionTest,
                         testing::Values(mesh::Protocol::kHttp, mesh::Protocol::kTcp));

TEST_P(CertificateConditionTest, HoldsForWhatThePeersCertificateSays) {
  const auto allow = [](absl::string_view key, absl::string_view value) {
    return absl::StrCat("{rules: [{when: [{key: \"source.certificate.", key, "\", values: [\"",
                        value, "\"]}]}]}");
  };
  EXPECT_TRUE(Reaches(allow("issuer", "CN=kith test*")));
  EXPECT_TRUE(Reaches(allow("serial", "*")));
  EXPECT_TRUE(Reaches(allow("fingerprint", "*")));
  EXPECT_FALSE(Reaches(allow("issuer", "CN=somebody else")));
  EXPECT_FALSE(Reaches(allow("subject.ou", "*")));
  EXPECT_TRUE(Reaches(allow("extension[2.5.29.15]", "*"))) << "key usage";
  EXPECT_FALSE(Reaches(allow("extension[1.2.3.4]", "*")));
  EXPECT_TRUE(
      Reaches("{action: DENY, rules: [{when: [{key: source.certificate.subject.ou, "
              "values: [\"Evil\"]}]}]}"))
      << "what the certificate does not say is no reason";
  EXPECT_FALSE(
      Reaches("{action: DENY, rules: [{when: [{key: source.certificate.issuer, "
              "values: [\"CN=kith*\"]}]}]}"));
}

TEST_P(CertificateConditionTest, FindsNothingOnPlaintext) {
  EXPECT_FALSE(Reaches("{rules: [{when: [{key: source.certificate.serial, values: [\"*\"]}]}]}",
                       mesh::MtlsMode::kDisable));
  EXPECT_TRUE(Reaches("{rules: [{when: [{key: source.certificate.serial, notValues: [\"*\"]}]}]}",
                      mesh::MtlsMode::kDisable));
}

}  // namespace
}  // namespace kith::proxy
