// Copies bytes between two streams until both directions have ended.
// Threads: the streams' loop. Owns: both streams.
// A direction whose output backs up stops reading its input; a half-close is passed on after the
// bytes before it.
// Errors: the callback gets OK after both sides ended, what broke otherwise (the other side is then
// reset), DEADLINE_EXCEEDED when nothing moved for `idle`. It is called once; the owner then hands
// the tunnel to Loop::DeleteLater().
#pragma once

#include <cstdint>
#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "source/net/stream.h"
#include "source/proxy/deadline.h"

namespace kith::proxy {

class Tunnel : public event::Deletable {
 public:
  using Done = absl::AnyInvocable<void(absl::Status)>;

  // `first_bytes` came from `client` before the tunnel was there and go to `server` first.
  Tunnel(std::unique_ptr<net::Stream> client, std::unique_ptr<net::Stream> server,
         absl::Span<const uint8_t> first_bytes, absl::Duration idle, Done done);

  net::Stream& client() { return *client_side_.stream; }
  net::Stream& server() { return *server_side_.stream; }
  // Payload moved so far.
  uint64_t bytes_to_server() const { return client_side_.received; }
  uint64_t bytes_to_client() const { return server_side_.received; }

  // Aborts it with `status` when the time is over; infinite is never.
  void EndAfter(absl::Duration time, absl::Status status);
  // Closes both sides now; Done is called with `status`.
  void Abort(absl::Status status);

 private:
  struct Side final : net::StreamHandler {
    void OnData(absl::Span<const uint8_t> bytes) override;
    void OnEnd() override;
    void OnClosed(absl::Status status) override;
    void OnDrained() override;

    Tunnel* tunnel = nullptr;
    Side* other = nullptr;
    std::unique_ptr<net::Stream> stream;
    uint64_t received = 0;
    bool ended = false;   // It will send no more.
    bool closed = false;  // Gone entirely.
  };
  void Touch();
  void OnDeadline();
  void Finish(absl::Status status);
  event::Loop& loop() { return client_side_.stream->loop(); }

  Side client_side_;
  Side server_side_;
  absl::Duration idle_;
  Deadline deadline_;  // Of idleness or of its end, whichever comes first.
  uint64_t ends_at_ms_ = UINT64_MAX;
  absl::Status end_status_;
  Done done_;
};

}  // namespace kith::proxy
