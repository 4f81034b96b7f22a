// Moves an HTTP/2 session's output to its transport, in pieces as large as can be: one write, and
// with TLS one record, for the frames of many streams.
// Threads: the transport's loop. Owns: nothing. Errors: none.
#pragma once

#include <string>

#include "source/http/http2_session.h"
#include "source/net/stream.h"

namespace kith::proxy {

// Until there is nothing more or the transport is blocked; then its OnDrained() is the time to go
// on. `scratch` is overwritten.
inline void FlushHttp2(http::Http2Session& session, net::Stream& transport, std::string& scratch) {
  constexpr size_t kPiece = size_t{128} * 1024;
  bool all = false;
  while (!all && !transport.write_blocked()) {
    scratch.clear();
    all = session.Send(kPiece, scratch);
    transport.Write(scratch);
  }
}

}  // namespace kith::proxy
