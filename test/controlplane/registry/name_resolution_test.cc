#include "source/controlplane/registry/name_resolution.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/support/run_until.h"

namespace kith::controlplane {
namespace {

using testing::ElementsAre;

class NameResolutionTest : public testing::Test {
 protected:
  NameResolutionTest()
      : loop_(*event::Loop::Create()),
        names_(*loop_, {.resolve =
                            [this](const std::string& name, NameResolution::Answer answer) {
                              ++asked_[name];
                              loop_->Post([this, name, answer = std::move(answer)]() mutable {
                                answer(answers_[name]);
                              });
                            },
                        .interval = absl::Milliseconds(10),
                        .retry = absl::Milliseconds(10),
                        .changed = [this] { ++changes_; }}) {}

  void Use(const std::vector<std::string>& dns_names) {
    auto state = std::make_shared<MeshState>();
    ServiceDefinition& service = state->services["s.example"];
    StaticWorkload fixed;
    fixed.ip = "192.0.2.1";
    service.endpoints.push_back(fixed);
    for (const std::string& name : dns_names) {
      StaticWorkload named;
      named.dns_name = name;
      service.endpoints.push_back(named);
    }
    names_.SetState(std::move(state));
  }

  std::vector<std::string> Addresses() const {
    std::vector<std::string> addresses;
    for (const auto& endpoint : names_.state()->services.at("s.example").endpoints) {
      addresses.push_back(endpoint.ip);
    }
    return addresses;
  }

  bool Until(int changes) {
    return test::RunUntil(*loop_, [&] { return changes_ >= changes; });
  }

  std::unique_ptr<event::Loop> loop_;
  std::map<std::string, NameResolution::Addresses> answers_;
  std::map<std::string, int> asked_;
  int changes_ = 0;
  NameResolution names_;
};

TEST_F(NameResolutionTest, PutsAddressesInThePlaceOfNames) {
  answers_["a.example"] = std::vector<std::string>{"10.0.0.1", "10.0.0.2"};
  Use({"a.example"});
  EXPECT_THAT(Addresses(), ElementsAre("192.0.2.1"));
  ASSERT_TRUE(Until(1));
  EXPECT_THAT(Addresses(), ElementsAre("192.0.2.1", "10.0.0.1", "10.0.0.2"));
}

TEST_F(NameResolutionTest, FollowsANameAndTellsOfChangesOnly) {
  answers_["a.example"] = std::vector<std::string>{"10.0.0.1"};
  Use({"a.example"});
  ASSERT_TRUE(Until(1));
  ASSERT_TRUE(test::RunUntil(*loop_, [&] { return asked_["a.example"] > 3; }));
  EXPECT_EQ(changes_, 1);
  answers_["a.example"] = std::vector<std::string>{"10.0.0.9"};
  ASSERT_TRUE(Until(2));
  EXPECT_THAT(Addresses(), ElementsAre("192.0.2.1", "10.0.0.9"));
}

TEST_F(NameResolutionTest, KeepsWhatItHadWhileNobodyAnswers) {
  answers_["a.example"] = std::vector<std::string>{"10.0.0.1"};
  Use({"a.example"});
  ASSERT_TRUE(Until(1));
  answers_["a.example"] = absl::UnavailableError("no resolver");
  const int before = asked_["a.example"];
  ASSERT_TRUE(test::RunUntil(*loop_, [&] { return asked_["a.example"] > before + 2; }));
  EXPECT_THAT(Addresses(), ElementsAre("192.0.2.1", "10.0.0.1"));
  EXPECT_EQ(changes_, 1);
}

TEST_F(NameResolutionTest, KeepsAddressesOverNewDocumentsAndForgetsNamesThatAreGone) {
  answers_["a.example"] = std::vector<std::string>{"10.0.0.1"};
  Use({"a.example"});
  ASSERT_TRUE(Until(1));
  answers_["b.example"] = std::vector<std::string>{"10.0.0.2"};
  Use({"a.example", "b.example"});
  EXPECT_THAT(Addresses(), ElementsAre("192.0.2.1", "10.0.0.1"));
  ASSERT_TRUE(Until(2));
  Use({"b.example"});
  EXPECT_THAT(Addresses(), ElementsAre("192.0.2.1", "10.0.0.2"));
  const int before = asked_["a.example"];
  const int others = asked_["b.example"];
  ASSERT_TRUE(test::RunUntil(*loop_, [&] { return asked_["b.example"] > others + 2; }));
  EXPECT_EQ(asked_["a.example"], before);
}

}  // namespace
}  // namespace kith::controlplane
