#include "source/telemetry/text_format.h"

#include <charconv>
#include <cmath>
#include <cstdint>

#include "absl/strings/str_cat.h"

namespace kith::telemetry {
namespace {

absl::string_view TypeName(MetricType type) {
  switch (type) {
    case MetricType::kCounter:
      return "counter";
    case MetricType::kGauge:
      return "gauge";
    case MetricType::kHistogram:
      return "histogram";
  }
  return "untyped";
}

// The length of the UTF-8 sequence that `text` begins with; 0 if it is none: cut short, overlong, a
// surrogate, or beyond U+10FFFF.
size_t SequenceLength(absl::string_view text) {
  const auto byte = [text](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  const size_t length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  const uint8_t second = byte(1);
  if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f)) return 0;
  if ((first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f)) return 0;
  return length;
}

}  // namespace

void AppendHeader(const Family& family, std::string& out) {
  absl::StrAppend(&out, "# HELP ", family.name, " ", family.help, "\n");
  absl::StrAppend(&out, "# TYPE ", family.name, " ", TypeName(family.type), "\n");
}

void AppendNumber(double value, std::string& out) {
  if (std::isnan(value)) {
    out += "NaN";
  } else if (std::isinf(value)) {
    out += value > 0 ? "+Inf" : "-Inf";
  } else {
    // Times and buckets read better without an exponent.
    const double magnitude = std::abs(value);
    const auto format = value == 0 || (magnitude >= 1e-6 && magnitude < 1e15)
                            ? std::chars_format::fixed
                            : std::chars_format::scientific;
    char digits[64];
    const auto [end, error] = std::to_chars(digits, digits + sizeof digits, value, format);
    out.append(digits, static_cast<size_t>(end - digits));
  }
}

void AppendLabel(absl::string_view name, absl::string_view value, std::string& out) {
  absl::StrAppend(&out, name, "=\"");
  while (!value.empty()) {
    size_t length = 1;
    if (value[0] == '\\') {
      out += "\\\\";
    } else if (value[0] == '"') {
      out += "\\\"";
    } else if (value[0] == '\n') {
      out += "\\n";
    } else if (length = SequenceLength(value); length == 0) {
      out += "\xef\xbf\xbd";
      length = 1;
    } else {
      out.append(value.data(), length);
    }
    value.remove_prefix(length);
  }
  out += '"';
}

}  // namespace kith::telemetry
