// An answer of the sidecar's own that says more than its status: what a policy has to tell a
// client, in the form its protocol expects.
// Threads: plain values. Owns: itself. Errors: none.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "source/http/message.h"

namespace kith::proxy {

// By its content-type; not gRPC-Web, which HTTP/1.1 carries too.
bool IsGrpc(absl::Span<const http::Header> request);

struct Reply {
  int status = 403;
  std::vector<std::pair<std::string, std::string>> headers;  // Beside content-length.
  std::string body;

  // text/plain with `text`; to a gRPC client a status of its protocol, without a body.
  static Reply Refusal(int status, absl::string_view text, absl::Span<const http::Header> request);
  // To a gRPC client whose time is over.
  static Reply GrpcDeadlineExceeded(absl::string_view text);
};

}  // namespace kith::proxy
