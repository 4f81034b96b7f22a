#include "source/http/http2_flood_guard.h"

#include <algorithm>

namespace kith::http {

namespace {

// A head of the largest size fits a few frames of 16 KiB.
constexpr int kMaxContinuations = 8;

}  // namespace

bool Http2FloodGuard::Bucket::Take(uint64_t now_ms) {
  const uint64_t passed_ms = now_ms > at_ms ? now_ms - at_ms : 0;
  used = std::max(0.0, used - static_cast<double>(passed_ms) * per_second / 1000) + 1;
  at_ms = now_ms;
  return used <= burst;
}

bool Http2FloodGuard::Count(Kind kind, uint64_t now_ms) {
  switch (kind) {
    case Kind::kReset:
      return resets_.Take(now_ms);
    case Kind::kControl:
      return control_.Take(now_ms);
    case Kind::kEmpty:
      return empty_.Take(now_ms);
    case Kind::kContinuation:
      return ++continuations_ <= kMaxContinuations;
  }
  return false;
}

absl::string_view Http2FloodGuard::Name(Kind kind) {
  switch (kind) {
    case Kind::kReset:
      return "http2_reset_flood";
    case Kind::kControl:
      return "http2_control_flood";
    case Kind::kEmpty:
      return "http2_empty_frame_flood";
    case Kind::kContinuation:
      return "http2_continuation_flood";
  }
  return "http2_flood";
}

}  // namespace kith::http
