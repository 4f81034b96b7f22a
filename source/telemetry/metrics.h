// Prometheus metrics, counted by each thread in a shard of its own without locks or atomic
// read-modify-write, and summed when they are scraped.
// Threads: a shard's series are looked up and changed by one thread only; Text() from any thread,
// at any time; AddShard() from any thread. Owns: Metrics its shards and every series; handles stay
// valid until Remove() names them. Errors: none. Past kMaxSeries per family and shard, further
// label values share one series in which every label reads "overflow", and
// kith_metrics_series_dropped_total counts.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "source/telemetry/family.h"

namespace kith::telemetry {

// One number that only its own thread changes.
class Counter {
 public:
  void Add(uint64_t amount = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

class Gauge {
 public:
  void Set(double value) { value_.store(value, std::memory_order_relaxed); }
  void Add(double change) { Set(value() + change); }
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

class Histogram {
 public:
  explicit Histogram(absl::Span<const double> bounds)
      : bounds_(bounds), buckets_(bounds.size() + 1) {}
  void Observe(double value);

  // Observations of bucket `index` alone, the last being those above every bound.
  uint64_t bucket(size_t index) const { return buckets_[index].value(); }
  double sum() const { return sum_.value(); }
  absl::Span<const double> bounds() const { return bounds_; }

 private:
  absl::Span<const double> bounds_;
  std::vector<Counter> buckets_;
  Gauge sum_;
};

class Shard {
 public:
  static constexpr size_t kMaxSeries = 2000;
  using Labels = absl::Span<const absl::string_view>;  // As many as the family names, in its order.

  Shard();
  ~Shard();

  // Looks a series up, or makes it. The family must be of that type.
  Counter& GetCounter(const Family& family, Labels labels);
  Gauge& GetGauge(const Family& family, Labels labels);
  Histogram& GetHistogram(const Family& family, Labels labels);

  // Takes one series out, such as a retired certificate's; its handle is dead. The series that
  // overflowing labels share stays.
  void Remove(const Family& family, Labels labels);

 private:
  friend class Metrics;
  struct Series;
  using Table = absl::flat_hash_map<std::string, std::unique_ptr<Series>>;

  Series& Get(const Family& family, Labels labels);
  Series& Insert(const Family& family, Labels labels);

  // Between these two a scrape reads the series it was given without the mutex: what is removed
  // meanwhile is freed when the last scrape ends.
  std::vector<const Series*> BeginScrape();
  void EndScrape();

  // The owner's alone, so that looking up what exists takes no lock.
  absl::flat_hash_map<const Family*, Table> families_;
  std::string key_;

  // Held to add or remove one pointer, or to copy them all: a scrape never keeps the owner waiting
  // while it formats.
  // Not absl::Mutex: ThreadSanitizer cannot see into the installed library's.
  std::mutex mutex_;
  std::vector<Series*> listed_;                   // Under mutex_.
  std::vector<std::unique_ptr<Series>> removed_;  // Under mutex_.
  int scrapes_ = 0;                               // Under mutex_.
};

class Metrics {
 public:
  Metrics();
  ~Metrics();

  // For one more thread that counts.
  Shard& AddShard();

  // Everything in Prometheus' text format 0.0.4, with the process's own metrics at the end.
  std::string Text() const;

 private:
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Shard>> shards_;  // Under mutex_.
};

}  // namespace kith::telemetry
