// A connection to an upstream that carries many exchanges at once, as HTTP/2 streams: the link to
// another sidecar (ALPN kith/1), or a connection to an application that speaks HTTP/2.
// Threads: the worker's loop. Owns: the transport, the session and its legs. Its owner
// (endpoint.h) keeps it until OnGone().
// Errors: exchanges in flight get OnResponseFailed(), each with what may be repeated of it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "source/http/http2_session.h"
#include "source/net/stream.h"
#include "source/proxy/deadline.h"
#include "source/proxy/dial.h"
#include "source/proxy/http2_fields.h"
#include "source/proxy/request_leg.h"

namespace kith::proxy {

class Http2Upstream final : public event::Deletable,
                            private net::StreamHandler,
                            private http::Http2Session::Handler,
                            private event::EndOfTurn {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    // It is closed; to be taken out and handed to Loop::DeleteLater().
    virtual void OnGone(Http2Upstream& upstream) = 0;
  };

  Http2Upstream(WorkerState& worker, Owner& owner, Dial::Result dialed,
                absl::Duration idle_timeout);
  ~Http2Upstream() override;

  const ConnectionFacts& facts() const { return facts_; }
  // A server outside the mesh reads it; between sidecars TLS is nobody's business but theirs.
  absl::string_view scheme() const {
    return facts_.context == nullptr && !facts_.tls_version.empty() ? "https" : "http";
  }
  // Not once it drains, its certificates are near their end, or newer ones are there.
  bool IsFresh() const;
  bool HasRoom() const;
  // A leg for one exchange.
  RequestLeg& NewLeg();

  // Takes no more exchanges, and closes after those in flight.
  void Retire();
  // Closes now, and tells nobody.
  void Close();

 private:
  class Leg;

  // net::StreamHandler
  void OnData(absl::Span<const uint8_t> bytes) override;
  void OnEnd() override { Go("the upstream ended the connection"); }
  void OnClosed(absl::Status status) override;
  void OnDrained() override { OnHasOutput(); }
  // http::Http2Session::Handler
  http::Http2StreamHandler* OnRequestHead(int32_t, const http::RequestHead&) override {
    return nullptr;
  }
  void OnHasOutput() override { worker_.loop.AtEndOfTurn(*this); }
  void OnPeerDrains() override { Retire(); }
  void OnRefused(absl::string_view reason) override { worker_.observer.CountBadRequest(reason); }
  // event::EndOfTurn
  void OnEndOfTurn() override;

  void OnLegDone(Leg& leg);
  void Go(const std::string& detail);

  WorkerState& worker_;
  Owner& owner_;
  std::unique_ptr<net::Stream> stream_;
  ConnectionFacts facts_;
  absl::Duration idle_timeout_;
  const uint64_t stale_at_ms_;
  Deadline idle_deadline_;
  http::Http2Session session_;
  Http2Fields fields_;
  std::vector<std::unique_ptr<Leg>> legs_;  // All of them.
  std::vector<Leg*> free_;
  std::vector<Leg*> unsent_;  // To fail at the end of the turn: no stream could be had.
  size_t busy_ = 0;
  bool retiring_ = false;
  bool exhausted_ = false;
  bool gone_ = false;
};

}  // namespace kith::proxy
