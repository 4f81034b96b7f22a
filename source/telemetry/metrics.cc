#include "source/telemetry/metrics.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "source/base/check.h"
#include "source/telemetry/families.h"
#include "source/telemetry/process_metrics.h"

namespace kith::telemetry {

struct Shard::Series {
  Series(const Family& family, Labels label_values)
      : labels(label_values.begin(), label_values.end()), histogram(family.bounds) {}

  const std::vector<std::string> labels;
  Counter counter;
  Gauge gauge;
  Histogram histogram;
};

namespace {

constexpr char kLabelEnd = '\xff';  // Never in UTF-8, so keys cannot be confused.

void MakeKey(Shard::Labels labels, std::string& key) {
  key.clear();
  for (absl::string_view label : labels) {
    key.append(label.data(), label.size());
    key.push_back(kLabelEnd);
  }
}

void AppendEscaped(absl::string_view value, std::string& out) {
  for (char c : value) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '"') {
      out += "\\\"";
    } else if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
}

void AppendNumber(double value, std::string& out) {
  if (value == std::floor(value) && std::abs(value) < 1e15) {
    absl::StrAppend(&out, static_cast<int64_t>(value));
  } else {
    absl::StrAppend(&out, value);
  }
}

// name{a="b",c="d"} ; `extra` is one more label, already written.
void AppendName(absl::string_view name, absl::string_view suffix, const Family& family,
                const std::vector<std::string>& labels, absl::string_view extra,
                std::string& out) {
  absl::StrAppend(&out, name, suffix);
  if (family.labels.empty() && extra.empty()) return;
  out += '{';
  for (size_t i = 0; i < family.labels.size(); ++i) {
    if (i > 0) out += ',';
    absl::StrAppend(&out, family.labels[i], "=\"");
    AppendEscaped(labels[i], out);
    out += '"';
  }
  if (!extra.empty()) absl::StrAppend(&out, family.labels.empty() ? "" : ",", extra);
  out += '}';
}

// One series, summed over the shards.
struct Total {
  std::vector<std::string> labels;
  uint64_t count = 0;
  double value = 0;
  std::vector<uint64_t> buckets;
};

absl::string_view TypeName(MetricType type) {
  switch (type) {
    case MetricType::kCounter: return "counter";
    case MetricType::kGauge: return "gauge";
    case MetricType::kHistogram: return "histogram";
  }
  return "untyped";
}

void AppendTotal(const Family& family, const Total& total, std::string& out) {
  if (family.type != MetricType::kHistogram) {
    AppendName(family.name, "", family, total.labels, "", out);
    out += ' ';
    if (family.type == MetricType::kCounter) {
      absl::StrAppend(&out, total.count);
    } else {
      AppendNumber(total.value, out);
    }
    out += '\n';
    return;
  }
  uint64_t below = 0;
  for (size_t i = 0; i < total.buckets.size(); ++i) {
    below += total.buckets[i];
    std::string bound = "le=\"";
    if (i < family.bounds.size()) {
      AppendNumber(family.bounds[i], bound);
    } else {
      bound += "+Inf";
    }
    bound += '"';
    AppendName(family.name, "_bucket", family, total.labels, bound, out);
    absl::StrAppend(&out, " ", below, "\n");
  }
  AppendName(family.name, "_sum", family, total.labels, "", out);
  out += ' ';
  AppendNumber(total.value, out);
  out += '\n';
  AppendName(family.name, "_count", family, total.labels, "", out);
  absl::StrAppend(&out, " ", below, "\n");
}

}  // namespace

void Histogram::Observe(double value) {
  const auto bound = std::lower_bound(bounds_.begin(), bounds_.end(), value);
  buckets_[static_cast<size_t>(bound - bounds_.begin())].Add();
  sum_.Add(value);
}

Shard::Shard() = default;
Shard::~Shard() = default;

Shard::Series& Shard::Get(const Family& family, Labels labels) {
  KITH_CHECK(labels.size() == family.labels.size(), "a series has its family's labels");
  MakeKey(labels, key_);
  auto table = families_.find(&family);
  if (table != families_.end()) {
    auto series = table->second.find(key_);
    if (series != table->second.end()) return *series->second;
    if (table->second.size() >= kMaxSeries && &family != &kSeriesDropped) {
      GetCounter(kSeriesDropped, {}).Add();
      const std::vector<absl::string_view> overflow(labels.size(), "overflow");
      MakeKey(overflow, key_);
      absl::MutexLock lock(&mutex_);
      auto& shared = families_[&family][key_];
      if (shared == nullptr) shared = std::make_unique<Series>(family, overflow);
      return *shared;
    }
  }
  auto made = std::make_unique<Series>(family, labels);
  Series& series = *made;
  absl::MutexLock lock(&mutex_);
  families_[&family].emplace(key_, std::move(made));
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
  MakeKey(labels, key_);
  absl::MutexLock lock(&mutex_);
  auto table = families_.find(&family);
  if (table != families_.end()) table->second.erase(key_);
}

Metrics::Metrics() = default;
Metrics::~Metrics() = default;

Shard& Metrics::AddShard() {
  absl::MutexLock lock(&mutex_);
  shards_.push_back(std::make_unique<Shard>());
  return *shards_.back();
}

std::string Metrics::Text() const {
  std::string out;
  absl::MutexLock lock(&mutex_);
  for (const Family* family : AllFamilies()) {
    std::map<std::string, Total> totals;
    for (const auto& shard : shards_) {
      absl::MutexLock shard_lock(&shard->mutex_);
      auto table = shard->families_.find(family);
      if (table == shard->families_.end()) continue;
      for (const auto& [key, series] : table->second) {
        Total& total = totals[key];
        total.labels = series->labels;
        switch (family->type) {
          case MetricType::kCounter: total.count += series->counter.value(); break;
          case MetricType::kGauge: total.value += series->gauge.value(); break;
          case MetricType::kHistogram:
            total.buckets.resize(family->bounds.size() + 1);
            for (size_t i = 0; i < total.buckets.size(); ++i) {
              total.buckets[i] += series->histogram.bucket(i);
            }
            total.value += series->histogram.sum();
            break;
        }
      }
    }
    if (totals.empty()) continue;
    absl::StrAppend(&out, "# HELP ", family->name, " ", family->help, "\n# TYPE ", family->name,
                    " ", TypeName(family->type), "\n");
    for (const auto& [key, total] : totals) AppendTotal(*family, total, out);
  }
  AppendProcessMetrics(out);
  return out;
}

}  // namespace kith::telemetry
