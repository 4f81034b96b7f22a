// HTTP/1.1 as it leaves a sidecar: heads from their parts, bodies in chunks.
// Threads: one at a time. Owns: nothing. Errors: none; what the parser let through is writable.
#pragma once

#include <string>

#include "absl/types/span.h"
#include "source/http/message.h"
#include "source/net/stream.h"
#include "source/proxy/stored_request.h"

namespace kith::proxy {

void AppendRequestHead(const StoredRequest& request, std::string& out);

// Says on the downstream connection whether it goes on, and how the body ends.
struct ResponseFraming {
  enum class Connection : uint8_t { kKeepAlive, kClose, kUpgrade };
  Connection connection = Connection::kKeepAlive;
  http::BodyKind body = http::BodyKind::kNone;
  int version_minor = 1;  // Of the request that is answered.
};
void AppendResponseHead(const http::ResponseHead& head, const ResponseFraming& framing,
                        std::string& out);

// One chunk, straight into the stream's output.
void WriteChunkTo(net::Stream& stream, absl::Span<const uint8_t> bytes);

}  // namespace kith::proxy
