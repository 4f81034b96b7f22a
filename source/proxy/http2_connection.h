// A downstream HTTP/2 connection: a link from another sidecar, or an application's own. Each stream
// is an exchange of its own, decided on its own.
// Threads: the worker's loop. Owns: the transport and its streams.
// Errors: a malformed request is reset with PROTOCOL_ERROR and counted; a response that breaks off
// is reset; what is wrong with the connection ends it with GOAWAY.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "source/proxy/deadline.h"
#include "source/proxy/exchange.h"
#include "source/proxy/http2_fields.h"
#include "source/proxy/http2_transport.h"

namespace kith::proxy {

class Http2Connection final : public event::Deletable, public Http2Transport::Owner {
 public:
  // `validity`: how long the connection may take requests at all; infinite without certificates.
  Http2Connection(WorkerState& worker, HttpSession& session, std::unique_ptr<net::Stream> stream,
                  absl::Duration validity);
  ~Http2Connection() override;

  // Starts reading. `first_bytes` were read before the connection was there.
  void Start(absl::Span<const uint8_t> first_bytes);
  // Asks the peer to open no more streams, and closes after those it has.
  void StartDraining();
  // Ends now, every stream in the middle.
  void CutOff(const absl::Status& status);

 private:
  class Stream;
  enum class Draining : uint8_t {
    kNo,
    kAnnounced,  // The peer may have sent requests before it knew.
    kFinal,      // No more are taken.
  };

  // Http2Transport::Owner
  http::Http2StreamHandler* OnRequestHead(int32_t id, const http::RequestHead& head) override;
  void OnFlushed() override;
  void OnOver(const std::string& detail) override { Close(detail); }

  http::Http2Session& session() { return transport_->session(); }
  void OnStreamDone(Stream& stream);
  void OnTick();
  // Looks after its streams by then.
  void TickBy(uint64_t at_ms);
  void OnDrainStep();
  void Close(const std::string& detail);

  WorkerState& worker_;
  HttpSession& owner_;
  const std::shared_ptr<Http2Transport> transport_;
  Http2Fields fields_;
  Deadline tick_;  // Looks after streams that wait too long, and the idle connection.
  uint64_t ticks_at_ms_ = RequestTime::kNever;
  Deadline drain_;  // Its steps.
  absl::flat_hash_map<Stream*, std::unique_ptr<Stream>> streams_;
  std::vector<std::unique_ptr<Stream>> done_;  // May still be on the stack.
  std::vector<std::unique_ptr<Stream>> free_;
  uint64_t idle_since_ms_;
  Draining draining_ = Draining::kNo;
};

}  // namespace kith::proxy
