#include "source/proxy/tunnel.h"

#include <algorithm>
#include <utility>

namespace kith::proxy {

Tunnel::Tunnel(std::unique_ptr<net::Stream> client, std::unique_ptr<net::Stream> server,
               absl::Span<const uint8_t> first_bytes, absl::Duration idle, Done done)
    : idle_(idle),
      idle_deadline_(client->loop(),
                     [this] { Abort(absl::DeadlineExceededError("nothing moved for too long")); }),
      end_deadline_(client->loop(), [this] { Abort(end_status_); }),
      done_(std::move(done)) {
  client_side_.stream = std::move(client);
  server_side_.stream = std::move(server);
  client_side_.tunnel = server_side_.tunnel = this;
  client_side_.other = &server_side_;
  server_side_.other = &client_side_;
  client_side_.stream->SetHandler(&client_side_);
  server_side_.stream->SetHandler(&server_side_);
  idle_deadline_.Set(idle_);
  if (!first_bytes.empty()) client_side_.OnData(first_bytes);
  client_side_.stream->ResumeReading();
  server_side_.stream->ResumeReading();
}

void Tunnel::EndAfter(absl::Duration time, absl::Status status) {
  if (!done_) return;
  end_status_ = std::move(status);
  // A deadline of zero would be none.
  end_deadline_.Set(std::max(time, absl::Milliseconds(1)));
}

void Tunnel::Abort(absl::Status status) {
  client_side_.stream->Reset();
  server_side_.stream->Reset();
  Finish(std::move(status));
}

void Tunnel::Finish(absl::Status status) {
  if (!done_) return;
  idle_deadline_.Clear();
  end_deadline_.Clear();
  std::exchange(done_, nullptr)(std::move(status));
}

void Tunnel::Side::OnData(absl::Span<const uint8_t> bytes) {
  received += bytes.size();
  tunnel->idle_deadline_.Set(tunnel->idle_);
  other->stream->Write(bytes);
  if (other->stream->write_blocked()) stream->PauseReading();
}

void Tunnel::Side::OnEnd() {
  ended = true;
  tunnel->idle_deadline_.Set(tunnel->idle_);
  other->stream->EndWriting();
}

void Tunnel::Side::OnClosed(absl::Status status) {
  closed = true;
  if (status.ok()) {
    // Both of its directions ended; what it sent before may still be on its way out of the other.
    if (!ended) OnEnd();
    if (other->closed) tunnel->Finish(absl::OkStatus());
    return;
  }
  other->stream->Reset();
  tunnel->Finish(std::move(status));
}

void Tunnel::Side::OnDrained() { other->stream->ResumeReading(); }

}  // namespace kith::proxy
