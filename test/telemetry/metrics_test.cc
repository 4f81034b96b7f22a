#include "source/telemetry/metrics.h"

#include <atomic>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "source/telemetry/families.h"

namespace kith::telemetry {
namespace {

// What a scrape says of one family, with its two comment lines.
std::string Scraped(const Metrics& metrics, const Family& family) {
  std::string found;
  for (absl::string_view line : absl::StrSplit(metrics.Text(), '\n')) {
    absl::string_view rest = line;
    if (absl::StartsWith(rest, "# ")) rest = rest.substr(7);  // "# HELP ", "# TYPE ".
    if (absl::StartsWith(rest, family.name)) absl::StrAppend(&found, line, "\n");
  }
  return found;
}

// The values of one scrape, by everything before them.
std::map<std::string, double> Values(const Metrics& metrics) {
  std::map<std::string, double> values;
  for (absl::string_view line : absl::StrSplit(metrics.Text(), '\n', absl::SkipEmpty())) {
    if (line.front() == '#') continue;
    const size_t space = line.rfind(' ');
    double value = 0;
    EXPECT_TRUE(absl::SimpleAtod(line.substr(space + 1), &value)) << line;
    EXPECT_TRUE(values.emplace(std::string(line.substr(0, space)), value).second) << line;
  }
  return values;
}

TEST(MetricsTest, WritesCountersAndGaugesAsPrometheusReadsThem) {
  Metrics metrics;
  Shard& shard = metrics.AddShard();
  shard.GetCounter(kTokenChecks, {"ok", "-"}).Add(3);
  shard.GetCounter(kTokenChecks, {"failed", "a\"b\\c\nd"}).Add();
  shard.GetGauge(kXdsConnections, {}).Set(2.5);
  EXPECT_EQ(Scraped(metrics, kTokenChecks),
            "# HELP kith_token_checks_total Bearer tokens checked (ok, failed), by reason.\n"
            "# TYPE kith_token_checks_total counter\n"
            "kith_token_checks_total{result=\"failed\",reason=\"a\\\"b\\\\c\\nd\"} 1\n"
            "kith_token_checks_total{result=\"ok\",reason=\"-\"} 3\n");
  EXPECT_EQ(Scraped(metrics, kXdsConnections),
            "# HELP kith_xds_connections Sidecars connected for configuration.\n"
            "# TYPE kith_xds_connections gauge\n"
            "kith_xds_connections 2.5\n");
}

TEST(MetricsTest, WritesHistogramsWithCumulativeBuckets) {
  Metrics metrics;
  Histogram& histogram = metrics.AddShard().GetHistogram(kTlsHandshakeDuration, {"server"});
  histogram.Observe(0.001953125);
  histogram.Observe(0.001953125);
  histogram.Observe(0.5);  // A bound belongs to its own bucket.
  histogram.Observe(100);
  EXPECT_EQ(Scraped(metrics, kTlsHandshakeDuration),
            "# HELP kith_tls_handshake_duration_seconds Time of successful handshakes.\n"
            "# TYPE kith_tls_handshake_duration_seconds histogram\n"
            "kith_tls_handshake_duration_seconds_bucket{side=\"server\",le=\"0.0005\"} 0\n"
            "kith_tls_handshake_duration_seconds_bucket{side=\"server\",le=\"0.001\"} 0\n"
            "kith_tls_handshake_duration_seconds_bucket{side=\"server\",le=\"0.0025\"} 2\n"
            "kith_tls_handshake_duration_seconds_bucket{side=\"server\",le=\"0.005\"} 2\n"
            "kith_tls_handshake_duration_seconds_bucket{side=\"server\",le=\"0.01\"} 2\n"
            "kith_tls_handshake_duration_seconds_bucket{side=\"server\",le=\"0.025\"} 2\n"
            "kith_tls_handshake_duration_seconds_bucket{side=\"server\",le=\"0.05\"} 2\n"
            "kith_tls_handshake_duration_seconds_bucket{side=\"server\",le=\"0.1\"} 2\n"
            "kith_tls_handshake_duration_seconds_bucket{side=\"server\",le=\"0.25\"} 2\n"
            "kith_tls_handshake_duration_seconds_bucket{side=\"server\",le=\"0.5\"} 3\n"
            "kith_tls_handshake_duration_seconds_bucket{side=\"server\",le=\"1\"} 3\n"
            "kith_tls_handshake_duration_seconds_bucket{side=\"server\",le=\"2.5\"} 3\n"
            "kith_tls_handshake_duration_seconds_bucket{side=\"server\",le=\"5\"} 3\n"
            "kith_tls_handshake_duration_seconds_bucket{side=\"server\",le=\"10\"} 3\n"
            "kith_tls_handshake_duration_seconds_bucket{side=\"server\",le=\"+Inf\"} 4\n"
            "kith_tls_handshake_duration_seconds_sum{side=\"server\"} 100.50390625\n"
            "kith_tls_handshake_duration_seconds_count{side=\"server\"} 4\n");
}

TEST(MetricsTest, WritesAHistogramWithoutLabels) {
  Metrics metrics;
  metrics.AddShard().GetHistogram(kCaIssueDuration, {}).Observe(20);
  const std::string text = Scraped(metrics, kCaIssueDuration);
  EXPECT_TRUE(absl::StrContains(text, "\nkith_ca_issue_duration_seconds_bucket{le=\"10\"} 0\n"));
  EXPECT_TRUE(absl::StrContains(text, "\nkith_ca_issue_duration_seconds_bucket{le=\"+Inf\"} 1\n"));
  EXPECT_TRUE(absl::StrContains(text, "\nkith_ca_issue_duration_seconds_sum 20\n"));
  EXPECT_TRUE(absl::StrContains(text, "\nkith_ca_issue_duration_seconds_count 1\n"));
}

TEST(MetricsTest, NeverLetsASumFall) {
  Histogram histogram(kCaIssueDuration.bounds);
  histogram.Observe(-5);
  histogram.Observe(std::nan(""));
  EXPECT_EQ(histogram.sum(), 0);
  EXPECT_EQ(histogram.bucket(0), 2u);
}

TEST(MetricsTest, SumsTheShards) {
  Metrics metrics;
  Shard& first = metrics.AddShard();
  Shard& second = metrics.AddShard();
  first.GetCounter(kCaRejected, {"weak_key"}).Add(2);
  second.GetCounter(kCaRejected, {"weak_key"}).Add(40);
  second.GetCounter(kCaRejected, {"internal"}).Add(1);
  first.GetGauge(kConnectionsActive, {"inbound"}).Add(7);
  second.GetGauge(kConnectionsActive, {"inbound"}).Add(-2);
  first.GetHistogram(kTlsHandshakeDuration, {"client"}).Observe(1);
  second.GetHistogram(kTlsHandshakeDuration, {"client"}).Observe(2);
  std::map<std::string, double> values = Values(metrics);
  EXPECT_EQ(values["kith_ca_rejected_total{reason=\"weak_key\"}"], 42);
  EXPECT_EQ(values["kith_ca_rejected_total{reason=\"internal\"}"], 1);
  EXPECT_EQ(values["kith_connections_active{direction=\"inbound\"}"], 5);
  EXPECT_EQ(values["kith_tls_handshake_duration_seconds_sum{side=\"client\"}"], 3);
  EXPECT_EQ(values["kith_tls_handshake_duration_seconds_bucket{side=\"client\",le=\"1\"}"], 1);
  EXPECT_EQ(values["kith_tls_handshake_duration_seconds_count{side=\"client\"}"], 2);
}

TEST(MetricsTest, KeepsHandlesWhileSeriesAreAdded) {
  Metrics metrics;
  Shard& shard = metrics.AddShard();
  Counter& first = shard.GetCounter(kCaRejected, {"first"});
  for (int i = 0; i < 1000; ++i) shard.GetCounter(kCaRejected, {absl::StrCat(i)});
  first.Add(5);
  EXPECT_EQ(&first, &shard.GetCounter(kCaRejected, {"first"}));
  EXPECT_EQ(Values(metrics)["kith_ca_rejected_total{reason=\"first\"}"], 5);
}

TEST(MetricsTest, TellsValuesApartWhateverTheirBytes) {
  Metrics metrics;
  Shard& shard = metrics.AddShard();
  const absl::string_view nul("\0", 1);
  const std::vector<std::pair<std::string, std::string>> pairs = {{"ab", "c"},
                                                                  {"a", "bc"},
                                                                  {"", "abc"},
                                                                  {absl::StrCat("a", nul), "b"},
                                                                  {"a", absl::StrCat(nul, "b")},
                                                                  {"a\xff", "b"},
                                                                  {"a",
                                                                   "\xff"
                                                                   "b"},
                                                                  {"a\",reason=\"b", ""}};
  std::set<Counter*> counters;
  for (const auto& [result, reason] : pairs) {
    counters.insert(&shard.GetCounter(kTokenChecks, {result, reason}));
  }
  EXPECT_EQ(counters.size(), pairs.size());
}

TEST(MetricsTest, BoundsTheSeriesOfAFamily) {
  Metrics metrics;
  Shard& shard = metrics.AddShard();
  constexpr size_t kTooMany = Shard::kMaxSeries + 500;
  for (size_t i = 0; i < kTooMany; ++i) {
    shard.GetCounter(kTokenChecks, {"failed", absl::StrCat(i)}).Add();
  }
  std::map<std::string, double> values = Values(metrics);
  size_t series = 0;
  double total = 0;
  for (const auto& [name, value] : values) {
    if (!absl::StartsWith(name, kTokenChecks.name)) continue;
    ++series;
    total += value;
  }
  EXPECT_EQ(series, Shard::kMaxSeries + 1);
  EXPECT_EQ(total, kTooMany);  // Nothing is lost, it is only told apart no more.
  EXPECT_EQ(values["kith_token_checks_total{result=\"overflow\",reason=\"overflow\"}"], 500);
  EXPECT_EQ(values["kith_metrics_series_dropped_total"], 500);
  // Those that were there first go on, and so do other families.
  shard.GetCounter(kTokenChecks, {"failed", "0"}).Add();
  shard.GetCounter(kCaRejected, {"weak_key"}).Add();
  values = Values(metrics);
  EXPECT_EQ(values["kith_token_checks_total{result=\"failed\",reason=\"0\"}"], 2);
  EXPECT_EQ(values["kith_ca_rejected_total{reason=\"weak_key\"}"], 1);
  EXPECT_EQ(values["kith_metrics_series_dropped_total"], 500);
}

TEST(MetricsTest, RemovesOneSeries) {
  Metrics metrics;
  Shard& shard = metrics.AddShard();
  for (absl::string_view serial : {"01", "02", "03"}) {
    shard.GetCounter(kTlsHandshakesByCertificate, {"client", serial}).Add();
  }
  shard.Remove(kTlsHandshakesByCertificate, {"client", "01"});
  shard.Remove(kTlsHandshakesByCertificate, {"client", "01"});  // Twice does nothing.
  shard.Remove(kTlsHandshakesByCertificate, {"client", "no such"});
  shard.Remove(kCaIssued, {});  // A family never used.
  std::map<std::string, double> values = Values(metrics);
  EXPECT_EQ(values.count("kith_tls_handshakes_by_certificate_total{side=\"client\",serial=\"01\"}"),
            0u);
  EXPECT_EQ(values.count("kith_tls_handshakes_by_certificate_total{side=\"client\",serial=\"02\"}"),
            1u);
  EXPECT_EQ(values.count("kith_tls_handshakes_by_certificate_total{side=\"client\",serial=\"03\"}"),
            1u);
  // Made again, it begins anew.
  EXPECT_EQ(shard.GetCounter(kTlsHandshakesByCertificate, {"client", "01"}).value(), 0u);
  shard.Remove(kTlsHandshakesByCertificate, {"client", "03"});
  shard.Remove(kTlsHandshakesByCertificate, {"client", "02"});
  shard.Remove(kTlsHandshakesByCertificate, {"client", "01"});
  EXPECT_EQ(Scraped(metrics, kTlsHandshakesByCertificate), "");  // No header without a series.
}

TEST(MetricsTest, RemovalMakesRoomUnderTheBound) {
  Metrics metrics;
  Shard& shard = metrics.AddShard();
  for (size_t i = 0; i < 3 * Shard::kMaxSeries; ++i) {
    if (i >= 8) shard.Remove(kTlsHandshakesByCertificate, {"client", absl::StrCat(i - 8)});
    shard.GetCounter(kTlsHandshakesByCertificate, {"client", absl::StrCat(i)}).Add();
  }
  const std::map<std::string, double> values = Values(metrics);
  EXPECT_EQ(values.count("kith_metrics_series_dropped_total"), 0u);
}

TEST(MetricsTest, HoldsEachFamilyTogetherWithOneHeader) {
  Metrics metrics;
  for (int i = 0; i < 3; ++i) {
    Shard& shard = metrics.AddShard();
    shard.GetCounter(kCaRejected, {absl::StrCat(i)}).Add();
    shard.GetCounter(kTokenChecks, {"ok", absl::StrCat(i)}).Add();
    shard.GetHistogram(kTlsHandshakeDuration, {absl::StrCat(i)}).Observe(1);
  }
  const std::string text = metrics.Text();
  ASSERT_TRUE(absl::EndsWith(text, "\n"));
  std::set<std::string> seen;
  std::string current;
  std::string previous;
  for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const std::vector<std::string> words = absl::StrSplit(line, absl::MaxSplits(' ', 3));
    if (absl::StartsWith(line, "# HELP ")) {
      EXPECT_TRUE(seen.insert(words[2]).second) << line;
      current = words[2];
    } else if (absl::StartsWith(line, "# TYPE ")) {
      EXPECT_EQ(previous, absl::StrCat("# HELP ", words[2]));
    } else {
      EXPECT_TRUE(absl::StartsWith(line, current)) << line;
    }
    previous = absl::StrCat(words[0], " ", words[1], " ", words.size() > 2 ? words[2] : "");
  }
}

TEST(MetricsTest, AddsWhatTheKernelKnowsOfTheProcess) {
  Metrics metrics;
  std::map<std::string, double> values = Values(metrics);
  EXPECT_GT(values["process_resident_memory_bytes"], 1e6);
  EXPECT_GE(values["process_open_fds"], 3);
  EXPECT_GT(values["process_max_fds"], values["process_open_fds"]);
  EXPECT_EQ(values.count("process_cpu_seconds_total"), 1u);
  const double now = static_cast<double>(time(nullptr));
  EXPECT_NEAR(values["process_start_time_seconds"], now, 600);
}

// Each thread counts in its own shard, makes and removes series, while another scrapes: every
// scrape is sound, no counter falls, and at the end nothing is missing.
TEST(MetricsTest, IsScrapedWhileThreadsCount) {
  constexpr int kThreads = 3;
  constexpr int kRounds = 2000;
  Metrics metrics;
  std::atomic<bool> counted = false;
  std::thread scraper([&] {
    std::map<std::string, double> last;
    do {
      const std::map<std::string, double> values = Values(metrics);
      for (const auto& [name, value] : values) {
        if (absl::StartsWith(name, "kith_ca_rejected_total")) {
          EXPECT_GE(value, last[name]) << name;
          last[name] = value;
        }
        constexpr absl::string_view kBucket = "kith_tls_handshake_duration_seconds_bucket";
        if (name == absl::StrCat(kBucket, "{side=\"client\",le=\"+Inf\"}")) {
          EXPECT_EQ(value, values.at("kith_tls_handshake_duration_seconds_count{side=\"client\"}"));
          EXPECT_GE(value, values.at(absl::StrCat(kBucket, "{side=\"client\",le=\"10\"}")));
        }
      }
    } while (!counted);
  });
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&metrics] {
      Shard& shard = metrics.AddShard();
      Counter& kept = shard.GetCounter(kCaRejected, {"kept"});
      for (int i = 0; i < kRounds; ++i) {
        kept.Add();
        shard.GetCounter(kCaRejected, {absl::StrCat(i % 100)}).Add();
        shard.GetHistogram(kTlsHandshakeDuration, {"client"}).Observe(i % 20);
        shard.GetCounter(kTlsHandshakesByCertificate, {"client", absl::StrCat(i)}).Add();
        if (i >= 4) shard.Remove(kTlsHandshakesByCertificate, {"client", absl::StrCat(i - 4)});
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  counted = true;
  scraper.join();
  std::map<std::string, double> values = Values(metrics);
  EXPECT_EQ(values["kith_ca_rejected_total{reason=\"kept\"}"], kThreads * kRounds);
  EXPECT_EQ(values["kith_ca_rejected_total{reason=\"7\"}"], kThreads * kRounds / 100);
  EXPECT_EQ(values["kith_tls_handshake_duration_seconds_count{side=\"client\"}"],
            kThreads * kRounds);
  size_t serials = 0;
  for (const auto& [name, value] : values) {
    serials += absl::StartsWith(name, kTlsHandshakesByCertificate.name) ? 1 : 0;
  }
  EXPECT_EQ(serials, 4u);
}

}  // namespace
}  // namespace kith::telemetry
