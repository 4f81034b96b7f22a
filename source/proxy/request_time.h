// By when a request has to be over, and by when its present try has to be answered. Setting them
// stores numbers; whoever carries the request asks when the next one passes.
// Threads: the worker's loop. Owns: nothing. Errors: none.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "source/http/message.h"

namespace kith::proxy {

class RequestTime {
 public:
  static constexpr uint64_t kNever = UINT64_MAX;

  // `limit`: zero is without one. The head's grpc-timeout may shorten it.
  void Start(uint64_t now_ms, absl::Duration limit, const http::RequestHead& head);
  // Likewise.
  void StartTry(uint64_t now_ms, absl::Duration limit);
  void EndTry() { try_ends_ms_ = kNever; }
  void Clear() { *this = RequestTime(); }

  uint64_t next_ms() const { return std::min(ends_ms_, try_ends_ms_); }
  bool over(uint64_t now_ms) const { return now_ms >= ends_ms_; }
  bool try_over(uint64_t now_ms) const { return now_ms >= try_ends_ms_; }

  // The grpc-timeout that the next hop is to get in place of the client's; none while that holds.
  absl::optional<std::string> GrpcTimeout(uint64_t now_ms) const;

 private:
  uint64_t ends_ms_ = kNever;
  uint64_t try_ends_ms_ = kNever;
  uint64_t client_ends_ms_ = kNever;  // What the client said, when it came.
  uint64_t started_ms_ = 0;
};

}  // namespace kith::proxy
