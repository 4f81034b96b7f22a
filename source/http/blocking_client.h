// One HTTP/1.1 request on a connection of its own, waiting for the answer: for command-line tools.
// Threads: any; it blocks the caller. Owns: nothing after it returns.
// Errors: UNAVAILABLE when nothing answers there, DEADLINE_EXCEEDED, INVALID_ARGUMENT for a request
// or an answer that is not HTTP. They read "connect unix:/run/kith.sock: no such file or directory;
// is the control plane running?", where the last part is Options::hint.
#pragma once

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "source/base/socket_address.h"

namespace kith::http {

struct BlockingRequestOptions {
  base::SocketAddress address;
  std::string method = "GET";
  std::string path = "/";
  std::string content_type = "application/json";  // Sent when there is a body.
  std::string body;
  absl::Duration timeout = absl::Seconds(10);        // For everything together.
  size_t max_body_bytes = size_t{64} * 1024 * 1024;  // Of the answer; RESOURCE_EXHAUSTED above.
  std::string hint = "is it running?";               // What to check when the connection fails.
};

struct BlockingResponse {
  int status = 0;
  std::string content_type;
  std::string body;
};

absl::StatusOr<BlockingResponse> BlockingRequest(const BlockingRequestOptions& options);

}  // namespace kith::http
