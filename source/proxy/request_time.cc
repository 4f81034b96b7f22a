#include "source/proxy/request_time.h"

#include "source/proxy/grpc_timeout.h"

namespace kith::proxy {
namespace {

uint64_t After(uint64_t now_ms, absl::Duration limit) {
  // A part of a millisecond counts as one: nothing is over before its time.
  const int64_t ms = absl::ToInt64Milliseconds(absl::Ceil(limit, absl::Milliseconds(1)));
  return now_ms + static_cast<uint64_t>(ms);
}

}  // namespace

void RequestTime::Start(uint64_t now_ms, absl::Duration limit, const http::RequestHead& head) {
  started_ms_ = now_ms;
  ends_ms_ = try_ends_ms_ = client_ends_ms_ = kNever;
  if (limit > absl::ZeroDuration()) ends_ms_ = After(now_ms, limit);
  const http::Header* const said = head.Find(kGrpcTimeout);
  if (said == nullptr) return;
  const auto timeout = ParseGrpcTimeout(said->value);
  if (!timeout) return;
  client_ends_ms_ = After(now_ms, *timeout);
  ends_ms_ = std::min(ends_ms_, client_ends_ms_);
}

void RequestTime::StartTry(uint64_t now_ms, absl::Duration limit) {
  try_ends_ms_ = limit > absl::ZeroDuration() ? After(now_ms, limit) : kNever;
}

absl::optional<std::string> RequestTime::GrpcTimeout(uint64_t now_ms) const {
  if (client_ends_ms_ == kNever) return absl::nullopt;
  if (now_ms == started_ms_ && ends_ms_ == client_ends_ms_) return absl::nullopt;
  const uint64_t left_ms = ends_ms_ > now_ms ? ends_ms_ - now_ms : 0;
  return FormatGrpcTimeout(absl::Milliseconds(static_cast<int64_t>(left_ms)));
}

}  // namespace kith::proxy
