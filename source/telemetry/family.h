// What a metric is: its name, type, help, labels and, for a histogram, its buckets. All metrics of
// all programs are defined in families.h.
// Threads: constants. Owns: nothing; every view points at constants. Errors: none.
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace kith::telemetry {

enum class MetricType : uint8_t { kCounter, kGauge, kHistogram };

struct Family {
  absl::string_view name;
  MetricType type;
  absl::string_view help;
  absl::Span<const absl::string_view> labels;
  absl::Span<const double> bounds;  // Histograms: upper bounds of the buckets, without +Inf.
};

}  // namespace kith::telemetry
