#include "source/extauthz/http_check.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include "kith/meshconfig/v1/mesh_config.pb.h"

namespace kith::extauthz {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using testing::UnorderedElementsAre;

meshconfig::v1::ExtensionProvider Parse(const std::string& http) {
  meshconfig::v1::ExtensionProvider provider;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(
      "name: 'p' envoy_ext_authz_http { service: 'ns/authz' port: 80 " + http + "}", &provider));
  return provider;
}

Provider Make(const std::string& http) { return *Provider::From(Parse(http)); }

TEST(ProviderTest, ReadsAnHttpAuthorizer) {
  const Provider provider = Make("fail_open: true status_on_error: '503' path_prefix: '/check'");
  EXPECT_EQ(provider.protocol, Provider::Protocol::kHttp);
  EXPECT_EQ(provider.where(), "authz:80");
  EXPECT_TRUE(provider.fail_open);
  EXPECT_EQ(provider.status_on_error, 503);
  EXPECT_EQ(provider.timeout, absl::Seconds(600));
  EXPECT_EQ(provider, Make("fail_open: true status_on_error: '503' path_prefix: '/check'"));
  EXPECT_FALSE(provider == Make(""));
}

TEST(ProviderTest, NamesTheFieldThatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"status_on_error: '200'", "envoyExtAuthzHttp: statusOnError"},
      {"timeout { seconds: 4000 }", "timeout"},
      {"path_prefix: 'x'", "envoyExtAuthzHttp.pathPrefix"},
      {"headers_to_upstream_on_allow: 'a b'", "envoyExtAuthzHttp.headersToUpstreamOnAllow[0]"},
      {"headers_to_upstream_on_allow: '*a*'", "headersToUpstreamOnAllow[0]"},
      {"headers_to_downstream_on_deny: ['x', '']", "headersToDownstreamOnDeny[1]"},
      {"headers_to_downstream_on_allow: ':x'", "headersToDownstreamOnAllow[0]"},
      {"include_request_headers_in_check: 'a:'", "includeRequestHeadersInCheck[0]"},
      {"include_additional_headers_in_check { key: 'host' value: 'x' }",
       "includeAdditionalHeadersInCheck"},
      {"include_request_body_in_check {}", "includeRequestBodyInCheck.maxRequestBytes"},
      {"include_request_body_in_check { max_request_bytes: 1048577 }", "maxRequestBytes"},
      {"include_request_body_in_check { max_request_bytes: 1 pack_as_bytes: true }",
       "includeRequestBodyInCheck.packAsBytes"},
  };
  for (const auto& [text, field] : cases) {
    const auto provider = Provider::From(Parse(text));
    ASSERT_FALSE(provider.ok()) << text;
    EXPECT_THAT(std::string(provider.status().message()), HasSubstr(field));
  }
}

TEST(MatchesAnyTest, KnowsNamesPrefixesAndSuffixes) {
  const std::vector<std::string> patterns = {"X-One", "x-two-*", "*-three"};
  for (const char* name : {"x-one", "X-TWO-", "x-two-a", "a-Three", "-three"}) {
    EXPECT_TRUE(MatchesAny(patterns, name)) << name;
  }
  for (const char* name : {"x-one-", "x-two", "three", ""}) {
    EXPECT_FALSE(MatchesAny(patterns, name)) << name;
  }
}

TEST(CheckHeadersTest, ShowsWhatIsChosenAndNothingElse) {
  const Provider provider = Make(
      "include_request_headers_in_check: ['x-ext-*', 'cookie', 'host', 'x-fixed'] "
      "include_additional_headers_in_check { key: 'x-fixed' value: 'ours' }");
  const std::vector<http::Header> headers = {{"Host", "h"},           {"Authorization", "Bearer t"},
                                             {"X-Ext-A", "1"},        {"Cookie", "c"},
                                             {"X-Private", "secret"}, {"X-Fixed", "forged"},
                                             {"Content-Length", "5"}};
  Question question;
  question.headers = headers;
  std::vector<std::pair<std::string, std::string>> shown;
  for (const http::Header& header : CheckHeaders(provider, question)) {
    shown.emplace_back(header.name, header.value);
  }
  EXPECT_THAT(shown, UnorderedElementsAre(Pair("Authorization", "Bearer t"), Pair("X-Ext-A", "1"),
                                          Pair("Cookie", "c"), Pair("x-fixed", "ours")));
}

TEST(CheckHeadersTest, SaysWhetherAShownBodyIsCut) {
  const Provider provider = Make("include_request_headers_in_check: 'x-envoy-*'");
  const std::vector<http::Header> headers = {{"X-Envoy-Auth-Partial-Body", "false"}};
  Question question;
  question.headers = headers;
  EXPECT_TRUE(CheckHeaders(provider, question).empty());
  question.shown = Question::Shown::kBeginning;
  const auto shown = CheckHeaders(provider, question);
  ASSERT_EQ(shown.size(), 1u);
  EXPECT_EQ(shown[0].value, "true");
}

TEST(ForgeableTest, NamesWhatTheAuthorizerCouldHaveSetInEverySpelling) {
  const Provider provider = Make(
      "headers_to_upstream_on_allow: ['x-user', 'x-role-*', '*-claim', 'authorization', 'x-seen'] "
      "include_request_headers_in_check: 'x-seen'");
  const std::vector<http::Header> headers = {
      {"X_User", "root"}, {"x-user", "root"}, {"X-Role-Admin", "1"},
      {"x.role.y", "1"},  {"x-a_claim", "1"}, {"Authorization", "Bearer t"},
      {"X-Seen", "1"},    {"x-users", "1"},   {"accept", "*/*"}};
  EXPECT_THAT(Forgeable(provider, headers),
              ElementsAre("X_User", "x-user", "X-Role-Admin", "x.role.y", "x-a_claim"));
}

TEST(ReadAnswerTest, AllowsBy200WithTheChosenHeaders) {
  const Provider provider = Make(
      "headers_to_upstream_on_allow: ['x-user', 'host'] headers_to_downstream_on_allow: 'x-down'");
  const Verdict verdict = ReadAnswer(
      provider, 200,
      {{"X-User", "ann"}, {"x-user", "bob"}, {"Host", "evil"}, {"X-Down", "1"}, {"Date", "now"}},
      "");
  EXPECT_EQ(verdict.outcome, Verdict::Outcome::kAllowed);
  ASSERT_EQ(verdict.edits.size(), 2u);
  EXPECT_EQ(verdict.edits[0].action, HeaderEdit::Action::kOverwrite);
  EXPECT_EQ(verdict.edits[1].action, HeaderEdit::Action::kAppend);
  EXPECT_THAT(verdict.response_headers, ElementsAre(Pair("X-Down", "1")));
}

TEST(ReadAnswerTest, DeniesByEveryOtherStatusAndFailsBy5xx) {
  const Provider all = Make("");
  for (const int status : {201, 204, 302, 401, 403, 404, 429}) {
    const Verdict verdict = ReadAnswer(
        all, status, {{"Location", "/login"}, {"X-A", "1"}, {"Content-Length", "2"}}, "no");
    EXPECT_EQ(verdict.outcome, Verdict::Outcome::kDenied) << status;
    EXPECT_EQ(verdict.status, status);
    EXPECT_EQ(verdict.body, "no");
    EXPECT_THAT(verdict.headers, ElementsAre(Pair("Location", "/login"), Pair("X-A", "1")));
  }
  const Verdict some = ReadAnswer(Make("headers_to_downstream_on_deny: 'x-b'"), 302,
                                  {{"Location", "/login"}, {"X-A", "1"}, {"X-B", "2"}}, "");
  EXPECT_THAT(some.headers, ElementsAre(Pair("Location", "/login"), Pair("X-B", "2")));
  for (const int status : {500, 503, 599}) {
    EXPECT_EQ(ReadAnswer(all, status, {}, "").outcome, Verdict::Outcome::kFailed);
  }
}

}  // namespace
}  // namespace kith::extauthz
