#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "source/proxy/plaintext_sources.h"
#include "source/proxy/recent_decisions.h"

namespace kith::proxy {
namespace {

telemetry::AccessEntry Entry(absl::string_view id, absl::string_view path) {
  telemetry::AccessEntry entry;
  entry.kind = "http";
  entry.direction = "inbound";
  entry.request_id = id;
  entry.path = path;
  entry.decision = "allowed";
  return entry;
}

TEST(RecentDecisionsTest, FindsTheNewestFirst) {
  RecentDecisions recent(3);
  EXPECT_TRUE(recent.Find("", 10).empty());
  recent.Add(Entry("a", "/1"));
  recent.Add(Entry("b", "/2"));
  recent.Add(Entry("a", "/3"));
  const auto all = recent.Find("", 10);
  ASSERT_EQ(all.size(), 3u);
  EXPECT_THAT(all[0], testing::HasSubstr("\"/3\""));
  EXPECT_THAT(all[2], testing::HasSubstr("\"/1\""));
  EXPECT_EQ(recent.Find("a", 10).size(), 2u);
  EXPECT_EQ(recent.Find("a", 1).size(), 1u);
  EXPECT_TRUE(recent.Find("c", 10).empty());
}

TEST(RecentDecisionsTest, ForgetsTheOldest) {
  RecentDecisions recent(2);
  for (const char* id : {"a", "b", "c"}) recent.Add(Entry(id, "/"));
  EXPECT_TRUE(recent.Find("a", 10).empty());
  EXPECT_EQ(recent.Find("", 10).size(), 2u);
}

TEST(RecentDecisionsTest, KeepsNothingUnlessAsked) {
  RecentDecisions recent(0);
  EXPECT_FALSE(recent.enabled());
  recent.Add(Entry("a", "/"));
  EXPECT_TRUE(recent.Find("", 10).empty());
}

TEST(PlaintextSourcesTest, CountsConnectionsOfAnAddressAndPort) {
  PlaintextSources sources;
  const absl::Time now = absl::FromUnixSeconds(100);
  for (const char* from : {"10.0.0.1:5", "10.0.0.1:6", "10.0.0.2:5"}) {
    sources.Add(*base::SocketAddress::Parse(from), 8080, now);
  }
  sources.Add(*base::SocketAddress::Parse("10.0.0.1:7"), 8080, now + absl::Seconds(1));
  sources.Add(*base::SocketAddress::Parse("10.0.0.1:7"), 9000, now);
  const auto list = sources.List();
  ASSERT_EQ(list.size(), 3u);
  for (const PlaintextSource& source : list) {
    if (source.ip != "10.0.0.1" || source.port != 8080) continue;
    EXPECT_EQ(source.connections, 3u);
    EXPECT_EQ(source.last, now + absl::Seconds(1));
  }
}

TEST(PlaintextSourcesTest, IsBounded) {
  PlaintextSources sources;
  for (size_t i = 0; i < PlaintextSources::kMost + 5; ++i) {
    sources.Add(*base::SocketAddress::Parse(absl::StrCat("10.0.", i / 256, ".", i % 256, ":1")), 80,
                absl::Now());
  }
  EXPECT_EQ(sources.List().size(), PlaintextSources::kMost);
  EXPECT_EQ(sources.beyond(), 5u);
}

}  // namespace
}  // namespace kith::proxy
