#include "source/controlplane/distribution/roster.h"

#include <gtest/gtest.h>

namespace kith::controlplane {
namespace {

using Leave = Roster::Leave;

class RosterTest : public testing::Test {
 protected:
  static Workload Backend(const std::string& service_account = "backend") {
    return {.name_space = "demo",
            .service_account = service_account,
            .name = "backend-1",
            .labels = {{"app", "backend"}},
            .inbound = {{8080, "10.0.0.7:15006"}}};
  }
  absl::StatusOr<Roster::StreamId> Attach(Roster::StreamId stream,
                                          const std::string& service_account = "backend") {
    return roster_.Attach(stream, Backend(service_account), {}, "ipv4:10.0.0.7:1", now_);
  }
  bool IsPresent() const {
    const Roster::Record* record = roster_.Find(key_);
    return record != nullptr && record->present;
  }

  const Roster::Key key_{"demo", "backend-1"};
  absl::Time now_ = absl::FromUnixSeconds(1'000'000);
  Roster roster_{Roster::Options{}};
};

TEST_F(RosterTest, LingersAfterALostStream) {
  ASSERT_TRUE(Attach(1).ok());
  roster_.Detach(1, key_, Leave::kLost, now_);
  EXPECT_TRUE(roster_.Expire(now_ + absl::Milliseconds(4999)).empty());
  EXPECT_TRUE(IsPresent());
  EXPECT_EQ(roster_.Expire(now_ + absl::Seconds(5)), std::vector{key_});
  EXPECT_FALSE(IsPresent());
  EXPECT_TRUE(roster_.Expire(now_ + absl::Seconds(6)).empty()) << "told once";
}

TEST_F(RosterTest, LosesADrainedWorkloadAtOnce) {
  ASSERT_TRUE(Attach(1).ok());
  roster_.Detach(1, key_, Leave::kDrained, now_);
  EXPECT_EQ(roster_.Expire(now_), std::vector{key_});
}

TEST_F(RosterTest, StopsLingeringWhenTheWorkloadReturns) {
  ASSERT_TRUE(Attach(1).ok());
  roster_.Detach(1, key_, Leave::kLost, now_);
  EXPECT_EQ(*Attach(2), Roster::kNoStream);
  EXPECT_TRUE(roster_.Expire(now_ + absl::Hours(1)).empty());
}

TEST_F(RosterTest, NamesTheStreamThatIsReplacedAndIgnoresItsEnd) {
  ASSERT_TRUE(Attach(1).ok());
  EXPECT_EQ(*Attach(2), 1u);
  roster_.Detach(1, key_, Leave::kDrained, now_);
  EXPECT_TRUE(roster_.Expire(now_ + absl::Hours(1)).empty());
  EXPECT_EQ(roster_.Find(key_)->stream, 2u);
}

TEST_F(RosterTest, GivesAConnectedWorkloadsNameToNobodyElse) {
  ASSERT_TRUE(Attach(1).ok());
  EXPECT_EQ(Attach(2, "intruder").status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(roster_.Find(key_)->workload.service_account, "backend");
  roster_.Detach(1, key_, Leave::kLost, now_);
  EXPECT_TRUE(Attach(2, "intruder").ok()) << "the name is free once nobody is connected";
}

TEST_F(RosterTest, BoundsTheWorkloadsOfANamespaceAlone) {
  Roster::Options options;
  options.max_workloads = 2;
  Roster small(options);
  Workload workload = Backend();
  for (const char* name : {"one", "two", "two"}) {
    workload.name = name;
    EXPECT_TRUE(small.Attach(1, workload, {}, "", now_).ok()) << name;
  }
  workload.name = "three";
  EXPECT_EQ(small.Attach(1, workload, {}, "", now_).status().code(),
            absl::StatusCode::kResourceExhausted);
  workload.name_space = "elsewhere";
  EXPECT_TRUE(small.Attach(1, workload, {}, "", now_).ok());
}

TEST_F(RosterTest, ForgetsTheGoneAfterAWhile) {
  ASSERT_TRUE(Attach(1).ok());
  roster_.Detach(1, key_, Leave::kDrained, now_);
  roster_.Expire(now_ + absl::Minutes(9));
  EXPECT_NE(roster_.Find(key_), nullptr);
  roster_.Expire(now_ + absl::Minutes(10));
  EXPECT_EQ(roster_.Find(key_), nullptr);
}

TEST_F(RosterTest, RestoresThePresentUntilTheyHadTimeToReturn) {
  ASSERT_TRUE(Attach(1).ok());
  Workload other = Backend();
  other.name = "gone";
  ASSERT_TRUE(roster_.Attach(2, other, {}, "", now_).ok());
  roster_.Detach(2, {"demo", "gone"}, Leave::kDrained, now_);
  roster_.Expire(now_);

  Roster restored{Roster::Options{}};
  restored.Restore(roster_.Save(), now_);
  ASSERT_EQ(restored.records().size(), 1u);
  const Workload& workload = restored.Find(key_)->workload;
  EXPECT_EQ(workload.service_account, "backend");
  EXPECT_EQ(workload.labels, Backend().labels);
  EXPECT_EQ(workload.inbound, Backend().inbound);
  EXPECT_TRUE(restored.Expire(now_ + absl::Seconds(29)).empty());
  EXPECT_EQ(restored.Expire(now_ + absl::Seconds(30)), std::vector{key_});
}

TEST_F(RosterTest, LeavesOutWhatCannotBeRestored) {
  for (const char* text : {
           "",
           "[]",
           "{\"workloads\": 7}",
           "{\"workloads\": [7, {}]}",
           R"({"workloads": [{"namespace": "a/b", "name": "n", "serviceAccount": "s",
               "labels": {}, "inbound": {}}]})",
           R"({"workloads": [{"namespace": "a", "name": "n", "serviceAccount": "s",
               "labels": {"x": 1}, "inbound": {}}]})",
           R"({"workloads": [{"namespace": "a", "name": "n", "serviceAccount": "s",
               "labels": {}, "inbound": {"0": "1.2.3.4:5"}}]})",
           R"({"workloads": [{"namespace": "a", "name": "n", "serviceAccount": "s",
               "labels": {}, "inbound": {"1": "nowhere"}}]})",
       }) {
    Roster restored{Roster::Options{}};
    restored.Restore(text, now_);
    EXPECT_TRUE(restored.records().empty()) << text;
  }
}

}  // namespace
}  // namespace kith::controlplane
