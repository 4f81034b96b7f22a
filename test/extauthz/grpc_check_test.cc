#include "source/extauthz/grpc_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "envoy/service/auth/v3/external_auth.pb.h"
#include "source/base/socket_address.h"
#include "source/base/spiffe_id.h"

namespace kith::extauthz {
namespace {

using envoy::service::auth::v3::CheckRequest;
using envoy::service::auth::v3::CheckResponse;
using testing::HasSubstr;

class EncodeCheckTest : public testing::Test {
 protected:
  CheckRequest Encode(BodyField body_field = BodyField::kText) {
    question_.request = &request_;
    question_.time = absl::FromUnixNanos(1'700'000'000'250'000'000);
    const std::string framed = EncodeCheck(question_, body_field);
    const auto message = Unframe(framed);
    CheckRequest check;
    EXPECT_TRUE(message.ok() &&
                check.ParseFromArray(message->data(), static_cast<int>(message->size())));
    return check;
  }

  const base::SpiffeId peer_ = *base::SpiffeId::Parse("spiffe://td/ns/a/sa/b");
  const base::SocketAddress source_ = *base::SocketAddress::Parse("[2001:db8::1]:4000");
  const base::SocketAddress destination_ = *base::SocketAddress::Parse("10.0.0.7:8080");
  policy::Request request_;
  Question question_;
};

TEST_F(EncodeCheckTest, TellsOfARequestAndItsPeers) {
  request_.kind = policy::Request::Kind::kHttp;
  request_.peer = &peer_;
  request_.source = &source_;
  request_.destination = &destination_;
  request_.sni = "backend";
  request_.method = "POST";
  request_.target = "/a?b=c";
  request_.host = "h:1";
  request_.scheme = "https";
  const std::vector<http::Header> headers = {
      {"Host", "h:1"}, {"X-A", "1"}, {"x-a", "2"}, {"X-Latin", "caf\xe9"}};
  question_.headers = headers;
  question_.id = "id-1";
  question_.own_principal = "spiffe://td/ns/n/sa/server";
  question_.framing = {http::BodyKind::kLength, 300};

  const auto context = Encode().attributes();
  EXPECT_EQ(context.source().principal(), "spiffe://td/ns/a/sa/b");
  EXPECT_EQ(context.source().address().socket_address().address(), "2001:db8::1");
  EXPECT_EQ(context.source().address().socket_address().port_value(), 4000u);
  EXPECT_EQ(context.destination().principal(), "spiffe://td/ns/n/sa/server");
  EXPECT_EQ(context.destination().address().socket_address().address(), "10.0.0.7");
  EXPECT_EQ(context.request().time().seconds(), 1'700'000'000);
  EXPECT_EQ(context.request().time().nanos(), 250'000'000);
  EXPECT_EQ(context.tls_session().sni(), "backend");
  const auto& http = context.request().http();
  EXPECT_EQ(http.id(), "id-1");
  EXPECT_EQ(http.method(), "POST");
  EXPECT_EQ(http.path(), "/a?b=c");
  EXPECT_EQ(http.host(), "h:1");
  EXPECT_EQ(http.scheme(), "https");
  EXPECT_EQ(http.size(), 300);
  EXPECT_EQ(http.headers().at("x-a"), "1,2");
  EXPECT_EQ(http.headers().at("x-latin"), "caf!") << "a protobuf string is UTF-8";
  EXPECT_EQ(http.headers().at(":path"), "/a?b=c");
  EXPECT_EQ(http.headers().count("host"), 0u);
}

TEST_F(EncodeCheckTest, ShowsABodyAsTextOrAsBytes) {
  request_.kind = policy::Request::Kind::kHttp;
  const std::vector<http::Header> forged = {{"X-Envoy-Auth-Partial-Body", "maybe"}};
  question_.headers = forged;
  question_.body = "caf\xe9";
  question_.shown = Question::Shown::kBeginning;
  auto http = Encode().attributes().request().http();
  EXPECT_EQ(http.body(), "caf!");
  EXPECT_EQ(http.raw_body(), "");
  EXPECT_EQ(http.headers().at("x-envoy-auth-partial-body"), "true");
  question_.shown = Question::Shown::kWhole;
  http = Encode(BodyField::kBytes).attributes().request().http();
  EXPECT_EQ(http.body(), "");
  EXPECT_EQ(http.raw_body(), "caf\xe9");
  EXPECT_EQ(http.headers().at("x-envoy-auth-partial-body"), "false");
}

TEST_F(EncodeCheckTest, SaysThatABodyOfUnknownLengthFollows) {
  request_.kind = policy::Request::Kind::kHttp;
  question_.framing = {http::BodyKind::kChunked, 0};
  EXPECT_EQ(Encode().attributes().request().http().size(), -1);
}

TEST_F(EncodeCheckTest, LeavesHttpOutOfWhatIsNone) {
  request_.source = &source_;
  const auto context = Encode().attributes();
  EXPECT_FALSE(context.request().has_http());
  EXPECT_TRUE(context.source().principal().empty());
  EXPECT_FALSE(context.has_tls_session());
}

Verdict Decode(const CheckResponse& response) { return DecodeCheck(response.SerializeAsString()); }

void Set(envoy::config::core::v3::HeaderValueOption& option, const char* name, const char* value) {
  option.mutable_header()->set_key(name);
  option.mutable_header()->set_value(value);
}

TEST(DecodeCheckTest, AllowsWithWhatChangesInTheRequest) {
  using Option = envoy::config::core::v3::HeaderValueOption;
  CheckResponse response;
  response.mutable_status();
  auto& ok = *response.mutable_ok_response();
  Set(*ok.add_headers(), "x-set", "1");
  Set(*ok.add_headers(), "x-append", "2");
  ok.mutable_headers(1)->mutable_append()->set_value(true);
  Set(*ok.add_headers(), "x-absent", "3");
  ok.mutable_headers(2)->set_append_action(Option::ADD_IF_ABSENT);
  Set(*ok.add_headers(), "x-exists", "4");
  ok.mutable_headers(3)->set_append_action(Option::OVERWRITE_IF_EXISTS);
  Set(*ok.add_headers(), "x-not-appended", "5");
  ok.mutable_headers(4)->mutable_append()->set_value(false);
  ok.add_headers_to_remove("x-gone");
  Set(*ok.add_response_headers_to_add(), "x-answer", "6");
  const Verdict verdict = Decode(response);
  ASSERT_EQ(verdict.outcome, Verdict::Outcome::kAllowed) << verdict.detail;
  using Action = HeaderEdit::Action;
  const std::vector<Action> actions = {Action::kOverwrite, Action::kAppend, Action::kAddIfAbsent,
                                       Action::kOverwriteIfExists, Action::kOverwrite};
  ASSERT_EQ(verdict.edits.size(), actions.size());
  for (size_t i = 0; i < actions.size(); ++i) EXPECT_EQ(verdict.edits[i].action, actions[i]) << i;
  EXPECT_EQ(verdict.edits[0].name, "x-set");
  EXPECT_EQ(verdict.edits[0].value, "1");
  EXPECT_THAT(verdict.removed, testing::ElementsAre("x-gone"));
  EXPECT_THAT(verdict.response_headers, testing::ElementsAre(testing::Pair("x-answer", "6")));
}

TEST(DecodeCheckTest, AllowsWithNothingButAStatus) {
  EXPECT_EQ(DecodeCheck("").outcome, Verdict::Outcome::kAllowed);
}

TEST(DecodeCheckTest, DeniesAsTheAuthorizerSays) {
  CheckResponse response;
  response.mutable_status()->set_code(16);
  response.mutable_status()->set_message("who are you");
  auto& denied = *response.mutable_denied_response();
  denied.mutable_status()->set_code(401);
  denied.set_body("log in");
  Set(*denied.add_headers(), "www-authenticate", "Basic");
  const Verdict verdict = Decode(response);
  EXPECT_EQ(verdict.outcome, Verdict::Outcome::kDenied);
  EXPECT_EQ(verdict.status, 401);
  EXPECT_EQ(verdict.body, "log in");
  EXPECT_EQ(verdict.detail, "who are you");
  EXPECT_THAT(verdict.headers, testing::ElementsAre(testing::Pair("www-authenticate", "Basic")));
}

TEST(DecodeCheckTest, DeniesWith403WhenNothingElseIsSaid) {
  CheckResponse response;
  response.mutable_status()->set_code(7);
  response.mutable_denied_response()->mutable_status()->set_code(99);
  EXPECT_EQ(Decode(response).outcome, Verdict::Outcome::kDenied);
  EXPECT_EQ(Decode(response).status, 403);
}

TEST(DecodeCheckTest, NeverAllowsByAStatusThatIsNotOk) {
  CheckResponse response;
  response.mutable_status()->set_code(7);
  Set(*response.mutable_ok_response()->add_headers(), "x-user", "root");
  const Verdict verdict = Decode(response);
  EXPECT_EQ(verdict.outcome, Verdict::Outcome::kDenied);
  EXPECT_TRUE(verdict.edits.empty());
}

TEST(DecodeCheckTest, FailsOnWhatMakesNoSense) {
  CheckResponse both;
  both.mutable_denied_response();
  EXPECT_THAT(Decode(both).detail, HasSubstr("OK beside a denied_response"));
  for (const char* name : {"host", ":path", "Content-Length", "transfer-encoding", "a b", "",
                           "connection", "X-Forwarded-Client-Cert"}) {
    CheckResponse response;
    Set(*response.mutable_ok_response()->add_headers(), name, "x");
    EXPECT_EQ(Decode(response).outcome, Verdict::Outcome::kFailed) << name;
    CheckResponse removal;
    removal.mutable_ok_response()->add_headers_to_remove(name);
    EXPECT_EQ(Decode(removal).outcome, Verdict::Outcome::kFailed) << name;
  }
  CheckResponse split;
  Set(*split.mutable_ok_response()->add_headers(), "x", "a\r\nb: c");
  EXPECT_EQ(Decode(split).outcome, Verdict::Outcome::kFailed);
  CheckResponse many;
  for (int i = 0; i < 200; ++i) Set(*many.mutable_ok_response()->add_headers(), "x", "y");
  EXPECT_EQ(Decode(many).outcome, Verdict::Outcome::kFailed);
  EXPECT_EQ(DecodeCheck("\x0a\xff").outcome, Verdict::Outcome::kFailed);
  EXPECT_EQ(DecodeCheck("\x1a\x02\x3a\x00").outcome, Verdict::Outcome::kFailed)
      << "query parameters";
}

TEST(UnframeTest, TakesOneWholeMessage) {
  EXPECT_EQ(*Unframe(absl::string_view("\0\0\0\0\2ab", 7)), "ab");
  EXPECT_EQ(*Unframe(absl::string_view("\0\0\0\0\0", 5)), "");
  EXPECT_FALSE(Unframe(absl::string_view("\0\0\0\0", 4)).ok());
  EXPECT_FALSE(Unframe(absl::string_view("\1\0\0\0\0", 5)).ok());
  EXPECT_FALSE(Unframe(absl::string_view("\0\0\0\0\1ab", 7)).ok());
  EXPECT_FALSE(Unframe(absl::string_view("\0\0\0\0\3ab", 7)).ok());
}

}  // namespace
}  // namespace kith::extauthz
