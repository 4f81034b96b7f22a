// A connection to an upstream that carries many exchanges at once, as HTTP/2 streams: the link to
// another sidecar (ALPN kith/1), which takes tunnels too, or a connection to an application that
// speaks HTTP/2.
// Threads: the worker's loop. Owns: the transport and its legs. Its owner
// (endpoint.h) keeps it until OnGone().
// Errors: exchanges in flight get OnResponseFailed(), each with what may be repeated of it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "source/proxy/deadline.h"
#include "source/proxy/dial.h"
#include "source/proxy/http2_fields.h"
#include "source/proxy/http2_transport.h"
#include "source/proxy/request_leg.h"
#include "source/proxy/tunnel_stream.h"

namespace kith::proxy {

class Http2Upstream final : public event::Deletable, public Http2Transport::Owner {
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

  const ConnectionFacts& facts() const { return *facts_; }
  const std::shared_ptr<const ConnectionFacts>& shared_facts() const { return facts_; }
  // A server outside the mesh reads it; between sidecars TLS is nobody's business but theirs.
  absl::string_view scheme() const {
    return facts_->context == nullptr && !facts_->tls_version.empty() ? "https" : "http";
  }
  // Not once it drains, its certificates are near their end, or newer ones are there.
  bool IsFresh() const;
  bool HasRoom() const;
  size_t heavy_streams() const { return transport_->heavy_streams(); }
  // A leg for one exchange.
  RequestLeg& NewLeg();
  // A stream of opaque bytes to the application; null when it can take no more.
  std::unique_ptr<TunnelStream> AskTunnel(absl::string_view authority,
                                          TunnelStream::Opener& opener);

  // Takes no more exchanges, and closes after those in flight.
  void Retire();
  // Closes now, and tells nobody.
  void Close();

 private:
  class Leg;

  // Http2Transport::Owner
  void OnPeerDrains() override { Retire(); }
  void OnTurnEnds() override;
  void OnFlushed() override;
  void OnTunnelGone() override { OnStreamDone(); }
  void OnOver(const std::string& detail) override { Go(detail); }

  http::Http2Session& session() { return transport_->session(); }
  void Occupy();
  void OnLegDone(Leg& leg);
  void OnStreamDone();
  void Go(const std::string& detail);

  WorkerState& worker_;
  Owner& owner_;
  const std::shared_ptr<const ConnectionFacts> facts_;
  absl::Duration idle_timeout_;
  const uint64_t stale_at_ms_;
  Deadline idle_deadline_;
  const std::shared_ptr<Http2Transport> transport_;
  Http2Fields fields_;
  std::vector<std::unique_ptr<Leg>> legs_;  // All of them.
  std::vector<Leg*> free_;
  std::vector<Leg*> unsent_;  // To fail at the end of the turn: no stream could be had.
  size_t busy_ = 0;
  bool retiring_ = false;
  bool exhausted_ = false;
};

}  // namespace kith::proxy
