#include "source/controlplane/distribution/subscription.h"

#include <gtest/gtest.h>

#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace kith::controlplane {
namespace {

using Answer = Subscription::Answer;
using State = Subscription::State;

class FakeView : public ResourceView {
 public:
  std::shared_ptr<const EncodedResource> Find(const std::string& name) override {
    const auto found = resources.find(name);
    if (found == resources.end()) return nullptr;
    return std::make_shared<EncodedResource>(EncodedResource{"bytes", found->second});
  }
  std::vector<std::string> All() override {
    std::vector<std::string> names;
    for (const auto& [name, version] : resources) names.push_back(name);
    return names;
  }
  std::map<std::string, std::string> resources;  // Name to version.
};

class SubscriptionTest : public testing::Test {
 protected:
  static Subscription::Request Subscribe(std::vector<std::string> names) {
    Subscription::Request request;
    for (std::string& name : names) request.add_resource_names_subscribe(std::move(name));
    return request;
  }
  static Subscription::Request Unsubscribe(std::vector<std::string> names) {
    Subscription::Request request;
    for (std::string& name : names) request.add_resource_names_unsubscribe(std::move(name));
    return request;
  }
  static Subscription::Request Ack(const std::string& nonce) {
    Subscription::Request request;
    request.set_response_nonce(nonce);
    return request;
  }
  static Subscription::Request Nack(const std::string& nonce, const std::string& why) {
    Subscription::Request request = Ack(nonce);
    request.mutable_error_detail()->set_message(why);
    return request;
  }

  Answer Send(const Subscription::Request& request) {
    const auto answer = subscription_.OnRequest(request, now_);
    EXPECT_TRUE(answer.ok()) << answer.status();
    return answer.value_or(Answer::kNone);
  }
  // "name=version,…;-removed,…", or "" when nothing is due. Keeps the nonce.
  std::string Next() {
    const auto response = subscription_.Next(view_, now_);
    if (!response.has_value()) return "";
    EXPECT_EQ(response->type_url(), kServiceType);
    EXPECT_NE(response->nonce(), nonce_);
    nonce_ = response->nonce();
    std::vector<std::string> parts;
    for (const auto& resource : response->resources()) {
      EXPECT_EQ(resource.resource().type_url(), kServiceType);
      parts.push_back(absl::StrCat(resource.name(), "=", resource.version()));
    }
    for (const auto& name : response->removed_resources()) parts.push_back("-" + name);
    return absl::StrJoin(parts, ",");
  }

  absl::Time now_ = absl::FromUnixSeconds(1000);
  FakeView view_;
  Subscription subscription_{kServiceType, Subscription::Wildcard::kAllowed, "stream"};
  std::string nonce_;
};

TEST_F(SubscriptionTest, SendsNothingBeforeTheFirstRequest) {
  view_.resources = {{"a", "1"}};
  EXPECT_EQ(Next(), "");
  EXPECT_EQ(subscription_.state(), State::kNotSent);
}

TEST_F(SubscriptionTest, AnswersSubscribedNamesAndOnlyThose) {
  view_.resources = {{"a", "1"}, {"b", "1"}};
  Send(Subscribe({"a"}));
  EXPECT_EQ(Next(), "a=1");
}

TEST_F(SubscriptionTest, AnswersUnknownNamesAsRemoved) {
  view_.resources = {{"a", "1"}};
  Send(Subscribe({"a", "ghost"}));
  EXPECT_EQ(Next(), "a=1,-ghost");
  Send(Ack(nonce_));
  EXPECT_EQ(Next(), "");
}

TEST_F(SubscriptionTest, SendsAnUnknownNameOnceItExists) {
  Send(Subscribe({"late"}));
  EXPECT_EQ(Next(), "-late");
  Send(Ack(nonce_));
  view_.resources = {{"late", "1"}};
  EXPECT_EQ(Next(), "late=1");
}

TEST_F(SubscriptionTest, KeepsOneResponseOutstandingAndGathersChanges) {
  view_.resources = {{"a", "1"}, {"b", "1"}};
  Send(Subscribe({"a", "b"}));
  EXPECT_EQ(Next(), "a=1,b=1");
  view_.resources = {{"a", "2"}, {"b", "1"}};
  EXPECT_EQ(Next(), "");
  view_.resources = {{"a", "3"}, {"b", "2"}};
  EXPECT_EQ(Next(), "");
  EXPECT_EQ(Send(Ack(nonce_)), Answer::kAck);
  EXPECT_EQ(Next(), "a=3,b=2");
}

TEST_F(SubscriptionTest, PushesOnlyWhatChanged) {
  view_.resources = {{"a", "1"}, {"b", "1"}};
  Send(Subscribe({"a", "b"}));
  Next();
  Send(Ack(nonce_));
  view_.resources["b"] = "2";
  EXPECT_EQ(Next(), "b=2");
}

TEST_F(SubscriptionTest, TellsRemovals) {
  view_.resources = {{"a", "1"}, {"b", "1"}};
  Send(Subscribe({"a", "b"}));
  Next();
  Send(Ack(nonce_));
  view_.resources.erase("a");
  EXPECT_EQ(Next(), "-a");
  Send(Ack(nonce_));
  EXPECT_EQ(Next(), "");
}

TEST_F(SubscriptionTest, DoesNotRepeatARefusedVersionButSendsTheNext) {
  view_.resources = {{"a", "1"}};
  Send(Subscribe({"a"}));
  Next();
  EXPECT_EQ(Send(Nack(nonce_, "bad address")), Answer::kNack);
  EXPECT_EQ(Next(), "");
  EXPECT_EQ(subscription_.state(), State::kError);
  EXPECT_EQ(subscription_.error(), "bad address");
  view_.resources["a"] = "2";
  EXPECT_EQ(Next(), "a=2");
  Send(Ack(nonce_));
  EXPECT_EQ(subscription_.state(), State::kSynced);
  EXPECT_EQ(subscription_.error(), "");
}

TEST_F(SubscriptionTest, TakesAnErrorDetailWithCodeZeroAsRefusal) {
  view_.resources = {{"a", "1"}};
  Send(Subscribe({"a"}));
  Next();
  Subscription::Request request = Ack(nonce_);
  request.mutable_error_detail();
  EXPECT_EQ(Send(request), Answer::kNack);
  EXPECT_NE(subscription_.error(), "");
}

TEST_F(SubscriptionTest, IgnoresAStaleNonceButNotTheChangesBesideIt) {
  view_.resources = {{"a", "1"}, {"b", "1"}};
  Send(Subscribe({"a"}));
  Next();
  const std::string current = nonce_;
  Subscription::Request request = Subscribe({"b"});
  request.set_response_nonce("of-another-stream");
  EXPECT_EQ(Send(request), Answer::kStaleNonce);
  EXPECT_EQ(Next(), "") << "the first response is still outstanding";
  EXPECT_EQ(Send(Ack(current)), Answer::kAck);
  EXPECT_EQ(Next(), "b=1");
}

TEST_F(SubscriptionTest, ResendsANameSubscribedAgain) {
  view_.resources = {{"a", "1"}};
  Send(Subscribe({"a"}));
  Next();
  Send(Ack(nonce_));
  Send(Subscribe({"a"}));
  EXPECT_EQ(Next(), "a=1");
}

TEST_F(SubscriptionTest, SparesWhatTheClientHoldsFromAnEarlierStream) {
  view_.resources = {{"same", "1"}, {"changed", "2"}};
  Subscription::Request request = Subscribe({"same", "changed", "gone"});
  auto& held = *request.mutable_initial_resource_versions();
  held["same"] = "1";
  held["changed"] = "1";
  held["gone"] = "1";
  held["never asked for"] = "1";
  Send(request);
  EXPECT_EQ(Next(), "changed=2,-gone");
}

TEST_F(SubscriptionTest, IsInSyncWhenTheClientHoldsEverything) {
  view_.resources = {{"a", "1"}};
  Subscription::Request request = Subscribe({"a"});
  (*request.mutable_initial_resource_versions())["a"] = "1";
  Send(request);
  EXPECT_EQ(Next(), "");
  EXPECT_EQ(subscription_.state(), State::kSynced);
  EXPECT_EQ(subscription_.resources(), 1u);
}

TEST_F(SubscriptionTest, ReadsInitialVersionsInTheFirstRequestOnly) {
  view_.resources = {{"a", "1"}};
  Send(Subscribe({"ghost"}));
  Next();
  Send(Ack(nonce_));
  Subscription::Request request = Subscribe({"a"});
  (*request.mutable_initial_resource_versions())["a"] = "1";
  Send(request);
  EXPECT_EQ(Next(), "a=1");
}

TEST_F(SubscriptionTest, SubscribesToEverythingByAnEmptyFirstRequest) {
  view_.resources = {{"a", "1"}, {"b", "1"}};
  Send({});
  EXPECT_EQ(Next(), "a=1,b=1");
}

TEST_F(SubscriptionTest, TakesALaterEmptyRequestForNothing) {
  view_.resources = {{"a", "1"}, {"b", "1"}};
  Send(Subscribe({"a"}));
  Next();
  Send(Ack(nonce_));
  Send({});
  EXPECT_EQ(Next(), "");
}

TEST_F(SubscriptionTest, FollowsTheWildcard) {
  view_.resources = {{"a", "1"}};
  Send(Subscribe({"*"}));
  EXPECT_EQ(Next(), "a=1");
  Send(Ack(nonce_));
  view_.resources = {{"b", "1"}};
  EXPECT_EQ(Next(), "b=1,-a");
}

TEST_F(SubscriptionTest, SparesWhatAWildcardClientHolds) {
  view_.resources = {{"a", "1"}, {"b", "2"}};
  Subscription::Request request = Subscribe({"*"});
  (*request.mutable_initial_resource_versions())["a"] = "1";
  (*request.mutable_initial_resource_versions())["gone"] = "1";
  Send(request);
  EXPECT_EQ(Next(), "b=2,-gone");
}

TEST_F(SubscriptionTest, EndsTheWildcardWithoutFurtherNews) {
  view_.resources = {{"a", "1"}, {"b", "1"}};
  Send(Subscribe({"*", "b"}));
  Next();
  Send(Ack(nonce_));
  Send(Unsubscribe({"*"}));
  view_.resources = {{"a", "2"}, {"b", "2"}};
  EXPECT_EQ(Next(), "b=2");
}

// Found by subscription_fuzz: the server believed that the client still held them.
TEST_F(SubscriptionTest, SendsEverythingAnewWhenTheWildcardComesBack) {
  view_.resources = {{"a", "1"}};
  Send(Subscribe({"*"}));
  Next();
  Send(Unsubscribe({"*"}));  // Before the answer: nothing is sent in between.
  Send(Subscribe({"*"}));
  Send(Ack(nonce_));
  EXPECT_EQ(Next(), "a=1");
}

TEST_F(SubscriptionTest, OpensOnDemandBySubscribingAndUnsubscribingTheWildcardAtOnce) {
  view_.resources = {{"a", "1"}};
  Subscription::Request request = Subscribe({"*"});
  request.add_resource_names_unsubscribe("*");
  Send(request);
  EXPECT_EQ(Next(), "");
  Send(Subscribe({"a"}));
  EXPECT_EQ(Next(), "a=1");
}

TEST_F(SubscriptionTest, AnswersUnsubscribingANameUnderTheWildcard) {
  view_.resources = {{"a", "1"}};
  Send(Subscribe({"*", "a", "ghost"}));
  Next();
  Send(Ack(nonce_));
  Send(Unsubscribe({"a", "ghost"}));
  EXPECT_EQ(Next(), "a=1,-ghost");
  Send(Ack(nonce_));
  EXPECT_EQ(Next(), "");
}

TEST_F(SubscriptionTest, StopsSendingUnsubscribedNames) {
  view_.resources = {{"a", "1"}};
  Send(Subscribe({"a"}));
  Next();
  Send(Ack(nonce_));
  Send(Unsubscribe({"a"}));
  view_.resources["a"] = "2";
  EXPECT_EQ(Next(), "");
}

TEST_F(SubscriptionTest, IgnoresUnsubscribingWhatWasNeverSubscribed) {
  view_.resources = {{"a", "1"}};
  Send(Subscribe({"*"}));
  Next();
  Send(Ack(nonce_));
  Send(Unsubscribe({"a", "phantom"}));
  EXPECT_EQ(Next(), "");
}

TEST_F(SubscriptionTest, PassesOverTheWildcardWhereTheTypeHasNone) {
  view_.resources = {{"a", "1"}, {"b", "1"}};
  Subscription services(kServiceType, Subscription::Wildcard::kIgnored, "stream");
  ASSERT_TRUE(services.OnRequest({}, now_).ok());
  EXPECT_FALSE(services.Next(view_, now_).has_value());
  ASSERT_TRUE(services.OnRequest(Subscribe({"*", "a"}), now_).ok());
  const auto response = services.Next(view_, now_);
  ASSERT_TRUE(response.has_value());
  EXPECT_EQ(response->resources_size(), 1);
}

TEST_F(SubscriptionTest, RefusesMoreNamesThanItKeeps) {
  absl::Status status;
  for (size_t i = 0; status.ok() && i <= Subscription::kMaxNames; ++i) {
    status = subscription_.OnRequest(Subscribe({absl::StrCat("name-", i)}), now_).status();
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(subscription_.OnRequest(Subscribe({std::string(2000, 'x')}), now_).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(SubscriptionTest, SplitsWhatIsTooMuchForOneResponse) {
  class BigView : public FakeView {
   public:
    std::shared_ptr<const EncodedResource> Find(const std::string&) override {
      return std::make_shared<EncodedResource>(EncodedResource{std::string(1 << 20, 'x'), "1"});
    }
  } big;
  Send(Subscribe({"a", "b", "c", "d", "e"}));
  int received = 0;
  for (int responses = 0; responses < 5 && received < 5; ++responses) {
    const auto response = subscription_.Next(big, now_);
    ASSERT_TRUE(response.has_value());
    EXPECT_LT(response->ByteSizeLong(), 4u << 20);
    received += response->resources_size();
    Send(Ack(response->nonce()));
  }
  EXPECT_EQ(received, 5);
  EXPECT_FALSE(subscription_.Next(big, now_).has_value());
}

}  // namespace
}  // namespace kith::controlplane
