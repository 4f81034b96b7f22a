#include "source/telemetry/metrics.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "source/base/check.h"
#include "source/telemetry/families.h"
#include "source/telemetry/process_metrics.h"
#include "source/telemetry/text_format.h"

namespace kith::telemetry {

struct Shard::Series {
  Series(const Family& of, Labels values) : family(of), histogram(of.bounds) {
    for (size_t i = 0; i < values.size(); ++i) {
      if (i > 0) labels += ',';
      AppendLabel(of.labels[i], values[i], labels);
    }
  }

  const Family& family;
  std::string labels;   // a="b",c="d": as it is shown, formatted once.
  size_t position = 0;  // In listed_.
  Counter counter;
  Gauge gauge;
  Histogram histogram;
};

namespace {

// Each value behind its length: no value, whatever its bytes, is taken for two others.
void MakeKey(Shard::Labels labels, std::string& key) {
  key.clear();
  for (absl::string_view label : labels) {
    const auto size = static_cast<uint32_t>(label.size());
    key.append(reinterpret_cast<const char*>(&size), sizeof size);
    key.append(label.data(), label.size());
  }
}

// One series, summed over the shards.
struct Total {
  uint64_t count = 0;
  double value = 0;
  std::vector<uint64_t> buckets;
};

void AppendName(absl::string_view name, absl::string_view suffix, absl::string_view labels,
                absl::string_view bound, std::string& out) {
  absl::StrAppend(&out, name, suffix);
  if (!labels.empty() || !bound.empty()) {
    absl::StrAppend(&out, "{", labels, labels.empty() || bound.empty() ? "" : ",", bound, "}");
  }
  out += ' ';
}

void AppendTotal(const Family& family, absl::string_view labels, const Total& total,
                 std::string& out) {
  if (family.type != MetricType::kHistogram) {
    AppendName(family.name, "", labels, "", out);
    if (family.type == MetricType::kCounter) {
      absl::StrAppend(&out, total.count);
    } else {
      AppendNumber(total.value, out);
    }
    out += '\n';
    return;
  }
  uint64_t below = 0;
  std::string bound;
  for (size_t i = 0; i < total.buckets.size(); ++i) {
    below += total.buckets[i];
    bound = "le=\"";
    AppendNumber(i < family.bounds.size() ? family.bounds[i] : HUGE_VAL, bound);
    bound += '"';
    AppendName(family.name, "_bucket", labels, bound, out);
    absl::StrAppend(&out, below, "\n");
  }
  AppendName(family.name, "_sum", labels, "", out);
  AppendNumber(total.value, out);
  out += '\n';
  AppendName(family.name, "_count", labels, "", out);
  absl::StrAppend(&out, below, "\n");
}

}  // namespace

void Histogram::Observe(double value) {
  // A clock that was set back must not make the sum fall, nor a NaN poison it for good.
  if (!(value > 0)) value = 0;
  const auto bound = std::lower_bound(bounds_.begin(), bounds_.end(), value);
  buckets_[static_cast<size_t>(bound - bounds_.begin())].Add();
  sum_.Add(value);
}

Shard::Shard() = default;
Shard::~Shard() = default;

Shard::Series& Shard::Get(const Family& family, Labels labels) {
  KITH_CHECK(labels.size() == family.labels.size(), "a series has its family's labels");
  MakeKey(labels, key_);
  const auto table = families_.find(&family);
  if (table == families_.end()) return Insert(family, labels);
  const auto series = table->second.find(key_);
  if (series != table->second.end()) return *series->second;
  if (table->second.size() < kMaxSeries) return Insert(family, labels);

  GetCounter(kSeriesDropped, {}).Add();
  const std::vector<absl::string_view> overflow(labels.size(), "overflow");
  MakeKey(overflow, key_);
  const auto shared = families_[&family].find(key_);
  if (shared != families_[&family].end()) return *shared->second;
  return Insert(family, overflow);
}

Shard::Series& Shard::Insert(const Family& family, Labels labels) {
  auto made = std::make_unique<Series>(family, labels);
  Series& series = *made;
  families_[&family].emplace(key_, std::move(made));
  std::lock_guard lock(mutex_);
  series.position = listed_.size();
  listed_.push_back(&series);
  return series;
}

Counter& Shard::GetCounter(const Family& family, Labels labels) {
  KITH_CHECK(family.type == MetricType::kCounter, "the family is a counter");
  return Get(family, labels).counter;
}

Gauge& Shard::GetGauge(const Family& family, Labels labels) {
  KITH_CHECK(family.type == MetricType::kGauge, "the family is a gauge");
  return Get(family, labels).gauge;
}

Histogram& Shard::GetHistogram(const Family& family, Labels labels) {
  KITH_CHECK(family.type == MetricType::kHistogram, "the family is a histogram");
  return Get(family, labels).histogram;
}

void Shard::Remove(const Family& family, Labels labels) {
  KITH_CHECK(labels.size() == family.labels.size(), "a series has its family's labels");
  const auto table = families_.find(&family);
  if (table == families_.end()) return;
  MakeKey(labels, key_);
  const auto found = table->second.find(key_);
  if (found == table->second.end()) return;
  std::unique_ptr<Series> series = std::move(found->second);
  table->second.erase(found);

  std::lock_guard lock(mutex_);
  listed_[series->position] = listed_.back();
  listed_[series->position]->position = series->position;
  listed_.pop_back();
  if (scrapes_ > 0) removed_.push_back(std::move(series));
}

std::vector<const Shard::Series*> Shard::BeginScrape() {
  std::lock_guard lock(mutex_);
  ++scrapes_;
  return std::vector<const Series*>(listed_.begin(), listed_.end());
}

void Shard::EndScrape() {
  std::vector<std::unique_ptr<Series>> freed;  // Outlives the lock: freeing takes its time.
  std::lock_guard lock(mutex_);
  if (--scrapes_ == 0) freed.swap(removed_);
}

Metrics::Metrics() = default;
Metrics::~Metrics() = default;

Shard& Metrics::AddShard() {
  std::lock_guard lock(mutex_);
  shards_.push_back(std::make_unique<Shard>());
  return *shards_.back();
}

std::string Metrics::Text() const {
  std::lock_guard lock(mutex_);
  absl::flat_hash_map<const Family*, std::map<absl::string_view, Total>> totals;
  for (const auto& shard : shards_) {
    for (const Shard::Series* series : shard->BeginScrape()) {
      Total& total = totals[&series->family][series->labels];
      total.count += series->counter.value();
      total.value += series->gauge.value() + series->histogram.sum();
      if (series->family.type != MetricType::kHistogram) continue;
      total.buckets.resize(series->family.bounds.size() + 1);
      for (size_t i = 0; i < total.buckets.size(); ++i) {
        total.buckets[i] += series->histogram.bucket(i);
      }
    }
  }
  std::string out;
  for (const Family* family : AllFamilies()) {
    const auto found = totals.find(family);
    if (found == totals.end()) continue;
    AppendHeader(*family, out);
    for (const auto& [labels, total] : found->second) AppendTotal(*family, labels, total, out);
  }
  for (const auto& shard : shards_) shard->EndScrape();
  AppendProcessMetrics(out);
  return out;
}

}  // namespace kith::telemetry
