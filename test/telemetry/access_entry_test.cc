#include "source/telemetry/access_entry.h"

#include <random>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "test/telemetry/text_file.h"

namespace kith::telemetry {
namespace {

std::string Line(const AccessEntry& entry) {
  std::string line;
  FormatAccessEntry(entry, line);
  return line;
}

absl::Time SomeTime() {
  return absl::FromCivil(absl::CivilSecond(2026, 1, 2, 3, 4, 5), absl::UTCTimeZone()) +
         absl::Microseconds(6);
}

AccessEntry Full() {
  AccessEntry entry;
  entry.time = SomeTime();
  entry.kind = "http";
  entry.direction = "inbound";
  entry.request_id = "0123456789abcdef";
  entry.source = {"10.0.0.1:40000", "spiffe://mesh/ns/demo/sa/frontend", "0a", ""};
  entry.destination = {"10.0.0.2:8080", "spiffe://mesh/ns/demo/sa/backend", "0b", "demo/backend"};
  entry.bind = "10.0.0.2:16080";
  entry.port = 8080;
  entry.request_principal = "https://idp/alice";
  entry.service = "backend.demo.svc.cluster.local";
  entry.tls_version = "TLSv1.3";
  entry.alpn = "http/1.1";
  entry.sni = "backend";
  entry.method = "GET";
  entry.path = "/orders?token=secret";
  entry.host = "backend";
  entry.status = 403;
  entry.bytes_received = 10;
  entry.bytes_sent = 20;
  entry.duration = absl::Microseconds(1234567) + absl::Nanoseconds(999);
  entry.decision = "denied";
  entry.policy = "demo/backend";
  entry.rule = 0;
  entry.from = 1;
  entry.to = 2;
  entry.reason = Reason::kPolicyDenied;
  entry.detail = "no rule";
  return entry;
}

TEST(AccessEntryTest, IsOneLineOfJson) {
  EXPECT_EQ(Line(Full()),
            "{\"time\":\"2026-01-02T03:04:05.000006Z\",\"kind\":\"http\",\"direction\":\"inbound\","
            "\"request_id\":\"0123456789abcdef\","
            "\"source\":{\"address\":\"10.0.0.1:40000\","
            "\"principal\":\"spiffe://mesh/ns/demo/sa/frontend\",\"serial\":\"0a\"},"
            "\"destination\":{\"address\":\"10.0.0.2:8080\","
            "\"principal\":\"spiffe://mesh/ns/demo/sa/"
            "backend\",\"serial\":\"0b\",\"workload\":\"demo/backend\","
            "\"bind\":\"10.0.0.2:16080\",\"port\":8080},"
            "\"request_principal\":\"https://idp/alice\","
            "\"service\":\"backend.demo.svc.cluster.local\","
            "\"tls\":{\"version\":\"TLSv1.3\",\"alpn\":\"http/1.1\",\"sni\":\"backend\"},"
            "\"method\":\"GET\",\"path\":\"/orders\",\"host\":\"backend\",\"status\":403,"
            "\"bytes_received\":10,\"bytes_sent\":20,\"duration_ms\":1234.567,"
            "\"decision\":\"denied\",\"policy\":\"demo/backend\",\"rule\":0,"
            "\"from\":1,\"to\":2,\"reason\":\"policy_denied\",\"detail\":\"no rule\"}\n");
}

TEST(AccessEntryTest, LeavesOutWhatThereIsNot) {
  AccessEntry entry;
  entry.time = SomeTime();
  entry.kind = "tcp";
  entry.direction = "outbound";
  EXPECT_EQ(Line(entry),
            "{\"time\":\"2026-01-02T03:04:05.000006Z\",\"kind\":\"tcp\",\"direction\":\"outbound\","
            "\"source\":{},\"destination\":{},\"bytes_received\":0,\"bytes_sent\":0,"
            "\"duration_ms\":0}\n");
}

TEST(AccessEntryTest, TellsWhatPoliciesSayWithoutEnforcingIt) {
  AccessEntry entry = Full();
  entry.audit_policy = "demo/watch";
  entry.dry_run_decision = "denied";
  entry.dry_run_policy = "demo/trial";
  entry.dry_run_rule = 1;
  EXPECT_TRUE(absl::StrContains(
      Line(entry),
      "\"rule\":0,\"from\":1,\"to\":2,\"audit_policy\":\"demo/watch\","
      "\"dry_run\":{\"decision\":\"denied\",\"policy\":\"demo/trial\",\"rule\":1},"));
  entry.dry_run_policy = "";
  entry.dry_run_rule = -1;
  EXPECT_TRUE(absl::StrContains(Line(entry), "\"dry_run\":{\"decision\":\"denied\"},"));
}

TEST(AccessEntryTest, TellsOfTheHeadersThatAreAskedForAndNoOthers) {
  AccessEntry entry = Full();
  const std::vector<std::string> names = {"x-team", "x-none"};
  std::vector<AccessHeader> headers = {{"X-Team", "a"}, {"cookie", "secret"}, {"x-team", "b"}};
  entry.header_names = names;
  entry.headers = headers;
  EXPECT_TRUE(
      absl::StrContains(Line(entry), "\"headers\":{\"x-team\":[\"a\",\"b\"],\"x-none\":[]},"));
  EXPECT_FALSE(absl::StrContains(Line(entry), "secret"));
  headers.assign(100, {"x-team", "a"});
  entry.headers = headers;
  EXPECT_EQ(nlohmann::json::parse(Line(entry))["headers"]["x-team"].size(), 8u);
}

TEST(AccessEntryTest, NeverShowsAQuery) {
  AccessEntry entry = Full();
  for (absl::string_view path : {"/a?token=secret", "/a#secret", "/a?x=1?secret", "?secret"}) {
    entry.path = path;
    EXPECT_FALSE(absl::StrContains(Line(entry), "secret")) << path;
  }
}

TEST(AccessEntryTest, TellsTimeAsAbslDoes) {
  std::mt19937_64 random(1);
  AccessEntry entry;
  for (int i = 0; i < 2000; ++i) {
    // 1900 to 2150, to the microsecond and to the nanosecond.
    entry.time = absl::FromUnixSeconds(static_cast<int64_t>(random() % 7889400000) - 2208988800) +
                 absl::Nanoseconds(static_cast<int64_t>(random() % 1000000000));
    const std::string expected =
        absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", entry.time, absl::UTCTimeZone());
    ASSERT_TRUE(absl::StartsWith(Line(entry), absl::StrCat("{\"time\":\"", expected, "\"")))
        << expected << " " << Line(entry);
  }
  for (absl::Time never : {absl::InfiniteFuture(), absl::InfinitePast()}) {
    entry.time = never;
    EXPECT_TRUE(absl::StartsWith(Line(entry), "{\"time\":null,"));
  }
}

TEST(AccessEntryTest, StaysOneLineWhateverAPeerSends) {
  std::mt19937_64 random(2);
  for (int i = 0; i < 3000; ++i) {
    std::string hostile;
    for (size_t n = random() % 40; n > 0; --n) {
      constexpr absl::string_view kLikely = "\"\\\n\r\t\0{}[],:\x7f\xff\xc3\xa9\xe2\x80\xa8";
      hostile +=
          random() % 2 == 0 ? static_cast<char>(random()) : kLikely[random() % kLikely.size()];
    }
    AccessEntry entry = Full();
    entry.path = hostile;
    entry.host = hostile;
    entry.request_id = hostile;
    entry.sni = hostile;
    entry.detail = hostile;
    entry.source.principal = hostile;
    const std::string line = Line(entry);
    ASSERT_EQ(line.find_first_of("\n\r"), line.size() - 1);
    const nlohmann::json read = nlohmann::json::parse(line, nullptr, false);
    ASSERT_FALSE(read.is_discarded()) << line;
    ASSERT_EQ(read["reason"], "policy_denied");
    ASSERT_EQ(read["status"], 403);
  }
}

TEST(AccessEntryTest, BoundsWhatAPeerChooses) {
  AccessEntry entry = Full();
  const std::string long_ascii(100000, 'a');
  entry.host = long_ascii;
  EXPECT_EQ(nlohmann::json::parse(Line(entry))["host"].get<std::string>().size(), 2048u);
  // Cut between characters, wherever they lie.
  for (size_t shift = 0; shift < 4; ++shift) {
    std::string wide(shift, 'a');
    while (wide.size() < 3000) wide += "\xf0\x9f\x94\x91";
    entry.host = wide;
    const std::string host = nlohmann::json::parse(Line(entry))["host"];
    EXPECT_TRUE(absl::StartsWith(wide, host));
    EXPECT_GT(host.size(), 2044u);
  }
  // Bytes that are no UTF-8 at all.
  const std::string continuations(5000, '\x80');
  entry.host = continuations;
  EXPECT_LT(Line(entry).size(), 20000u);
}

TEST(AccessEntryTest, IsDocumented) {
  const std::string document = test::ReadText("docs/access-log.md");
  AccessEntry entry = Full();
  entry.source.workload = "demo/frontend";
  entry.audit_policy = "demo/watch";
  entry.dry_run_decision = "denied";
  entry.dry_run_policy = "demo/trial";
  entry.dry_run_rule = 1;
  const std::vector<std::string> names = {"x-team"};
  entry.header_names = names;
  const nlohmann::json line = nlohmann::json::parse(Line(entry));
  size_t keys = 0;
  for (const auto& [key, value] : line.items()) {
    if (!value.is_object() || key == "headers") {
      ++keys;
      EXPECT_TRUE(absl::StrContains(document, absl::StrCat("\n| `", key, "` |"))) << key;
      continue;
    }
    for (const auto& [inner, ignored] : value.items()) {
      ++keys;
      EXPECT_TRUE(absl::StrContains(document, absl::StrCat("\n| `", key, ".", inner, "` |")))
          << key << "." << inner;
    }
  }
  EXPECT_EQ(test::AllBetween(document, "\n| `", "`").size(), keys);
}

}  // namespace
}  // namespace kith::telemetry
