#include "source/proxy/grpc_timeout.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace kith::proxy {
namespace {

constexpr size_t kMostDigits = 8;
constexpr int64_t kLargest = 99'999'999;

}  // namespace

absl::optional<absl::Duration> ParseGrpcTimeout(absl::string_view text) {
  if (text.size() < 2 || text.size() > kMostDigits + 1) return absl::nullopt;
  int64_t count = 0;
  for (const char c : text.substr(0, text.size() - 1)) {
    if (!absl::ascii_isdigit(c)) return absl::nullopt;
    count = count * 10 + (c - '0');
  }
  switch (text.back()) {
    case 'H':
      return absl::Hours(count);
    case 'M':
      return absl::Minutes(count);
    case 'S':
      return absl::Seconds(count);
    case 'm':
      return absl::Milliseconds(count);
    case 'u':
      return absl::Microseconds(count);
    case 'n':
      return absl::Nanoseconds(count);
    default:
      return absl::nullopt;
  }
}

std::string FormatGrpcTimeout(absl::Duration timeout) {
  const int64_t ms = std::max<int64_t>(absl::ToInt64Milliseconds(timeout), 1);
  if (ms <= kLargest) return absl::StrCat(ms, "m");
  return absl::StrCat(std::min(ms / 1000, kLargest), "S");
}

}  // namespace kith::proxy
