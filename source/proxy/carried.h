// What an accepted connection carries, once that is known: requests of HTTP/1.1 or HTTP/2, or bytes
// through a tunnel.
// Threads: the worker's loop. Owns: whichever it is. Errors: those of each.
#pragma once

#include <memory>

#include "source/proxy/http2_connection.h"
#include "source/proxy/http_connection.h"
#include "source/proxy/tunnel.h"

namespace kith::proxy {

class Carried {
 public:
  // `validity`: see Http2Connection. `first_bytes` were read before.
  void StartHttp1(WorkerState& worker, HttpSession& session, std::unique_ptr<net::Stream> stream,
                  absl::Duration validity, absl::Span<const uint8_t> first_bytes);
  // Also in place of HTTP/1.1, by a connection that turned out to be no such.
  void StartHttp2(WorkerState& worker, HttpSession& session, std::unique_ptr<net::Stream> stream,
                  absl::Duration validity, absl::Span<const uint8_t> first_bytes);
  Tunnel& Use(std::unique_ptr<Tunnel> tunnel);

  Http2Connection* http2() const { return http2_.get(); }
  Tunnel* tunnel() const { return tunnel_.get(); }

  // See Session. A tunnel is drained by waiting for its end.
  void StartDraining();
  // False when nothing is carried yet.
  bool CutOff(const absl::Status& status);

 private:
  std::unique_ptr<HttpConnection> http_;
  std::unique_ptr<Http2Connection> http2_;
  std::unique_ptr<Tunnel> tunnel_;
};

}  // namespace kith::proxy
