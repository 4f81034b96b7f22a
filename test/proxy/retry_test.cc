// What is sent again when an upstream fails, and what is not; and that a service which fails gets
// little more for it.
#include <gtest/gtest.h>

#include <atomic>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "test/proxy/proxy_pair.h"

namespace kith::proxy {
namespace {

constexpr char kOverBudget[] = "kith_http_retries_over_budget_total";

// Breaks its first connections once a request is there, and answers on the others.
struct Breaking {
  explicit Breaking(int connections)
      : application([this, connections](Client& connection) {
          const bool breaks = broken_++ < connections;
          while (absl::StrContains(connection.ReadUntil("\r\n\r\n"), "\r\n\r\n")) {
            ++requests;
            if (breaks) return;
            connection.Send(kOk);
          }
        }) {}
  std::atomic<int> requests{0};

 private:
  std::atomic<int> broken_{0};

 public:
  Application application;
};

// Nobody listens there any more.
uint16_t DeadPort() {
  return Application([](Client&) {}).port();
}

// Of all series.
double Sum(const std::string& metrics, absl::string_view name) {
  double sum = 0;
  for (const absl::string_view line : absl::StrSplit(metrics, '\n')) {
    double value = 0;
    const bool is_it = absl::StartsWith(line, absl::StrCat(name, "{")) ||
                       absl::StartsWith(line, absl::StrCat(name, " "));
    if (is_it && absl::SimpleAtod(line.substr(line.rfind(' ') + 1), &value)) sum += value;
  }
  return sum;
}

bool IsStatus(const std::string& answer, int status) {
  return absl::StartsWith(answer, absl::StrCat("HTTP/1.1 ", status, " "));
}

std::string Post(const ProxyPair& pair) {
  Client connection(pair.outbound_port());
  connection.Send(
      "POST / HTTP/1.1\r\nHost: server\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx");
  return connection.ReadAll();
}

TEST(RetryTest, SendsAnIdempotentRequestAgainWhenItsConnectionBreaks) {
  Breaking breaking(2);
  ProxyPair pair(breaking.application.port());
  EXPECT_TRUE(IsStatus(pair.Get(), 200));
  EXPECT_EQ(breaking.requests, 3);
  EXPECT_EQ(Sum(pair.ServerMetrics(), "kith_http_retries_total"), 2);
}

TEST(RetryTest, NeverSendsAgainWhatHasAnEffect) {
  Breaking breaking(1);
  ProxyPair pair(breaking.application.port());
  EXPECT_TRUE(IsStatus(Post(pair), 502));
  EXPECT_EQ(breaking.requests, 1);
}

TEST(RetryTest, GivesUpAfterItsAttempts) {
  for (const uint32_t attempts : {0U, 1U}) {
    Breaking breaking(1000);
    ProxyPair::Options options;
    options.retries.attempts = attempts;
    ProxyPair pair(breaking.application.port(), options);
    EXPECT_TRUE(IsStatus(pair.Get(), 502));
    EXPECT_EQ(breaking.requests, static_cast<int>(attempts) + 1);
  }
}

TEST(RetryTest, GivesAServiceThatFailsNoMoreThanItsBudget) {
  Breaking breaking(1000);
  ProxyPair::Options options;
  options.retries = {.attempts = 2, .budget_percent = 20, .budget_per_second = 0};
  ProxyPair pair(breaking.application.port(), options);
  constexpr int kRequests = 100;
  for (int i = 0; i < kRequests; ++i) ASSERT_TRUE(IsStatus(pair.Get(), 502));
  EXPECT_GT(breaking.requests, kRequests);
  EXPECT_LE(breaking.requests, kRequests * 12 / 10);
  EXPECT_GT(Sum(pair.ServerMetrics(), kOverBudget), 0);
}

TEST(RetryTest, LeavesADeadEndpointWithoutUsingUpTheBudget) {
  Breaking sound(0);
  ProxyPair::Options options;
  options.traffic.balancer = mesh::Balancer::kRoundRobin;
  options.retries = {.attempts = 2, .budget_percent = 0, .budget_per_second = 1};
  options.plaintext_endpoints = {DeadPort()};
  ProxyPair pair(sound.application.port(), options);
  for (int i = 0; i < 60; ++i) ASSERT_TRUE(IsStatus(pair.Get(), 200)) << i;
  EXPECT_EQ(Sum(pair.ClientMetrics(), kOverBudget), 0);
}

TEST(RetryTest, TriesADeadServiceNoMoreThanItsBudget) {
  Breaking unreached(0);
  ProxyPair::Options options;
  options.expected = "spiffe://td/ns/n/sa/other";
  options.retries = {.attempts = 2, .budget_percent = 0, .budget_per_second = 1};
  options.plaintext_endpoints = {DeadPort(), DeadPort()};
  ProxyPair pair(unreached.application.port(), options);
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(IsStatus(pair.Get(), 503)) << i;
  EXPECT_GT(Sum(pair.ClientMetrics(), "kith_http_retries_total"), 0);
  EXPECT_LE(Sum(pair.ClientMetrics(), "kith_http_retries_total"), 20);
  EXPECT_GT(Sum(pair.ClientMetrics(), kOverBudget), 0);
}

TEST(RetryTest, SendsNothingAgainAboveTheRulesRetries) {
  Breaking sound(0);
  ProxyPair::Options options;
  options.traffic.balancer = mesh::Balancer::kRoundRobin;
  options.traffic.pool.max_retries = 0;
  options.plaintext_endpoints = {DeadPort()};
  ProxyPair pair(sound.application.port(), options);
  int failed = 0;
  for (int i = 0; i < 10; ++i) failed += IsStatus(pair.Get(), 503);
  EXPECT_EQ(failed, 5);
  EXPECT_EQ(Sum(pair.ClientMetrics(), kOverBudget), 5);
}

}  // namespace
}  // namespace kith::proxy
