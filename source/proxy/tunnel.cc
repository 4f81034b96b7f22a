#include "source/proxy/tunnel.h"

#include <algorithm>
#include <utility>

namespace kith::proxy {

Tunnel::Tunnel(std::unique_ptr<net::Stream> client, std::unique_ptr<net::Stream> server,
               absl::Span<const uint8_t> first_bytes, absl::Duration idle, Done done)
    : idle_(idle), deadline_(client->loop(), [this] { OnDeadline(); }), done_(std::move(done)) {
  client_side_.stream = std::move(client);
  server_side_.stream = std::move(server);
  client_side_.tunnel = server_side_.tunnel = this;
  client_side_.other = &server_side_;
  server_side_.other = &client_side_;
  client_side_.stream->SetHandler(&client_side_);
  server_side_.stream->SetHandler(&server_side_);
  Touch();
  if (!first_bytes.empty()) client_side_.OnData(first_bytes);
  client_side_.stream->ResumeReading();
  server_side_.stream->ResumeReading();
}

void Tunnel::EndAfter(absl::Duration time, absl::Status status) {
  if (!done_ || time == absl::InfiniteDuration()) return;
  const int64_t left_ms = std::max<int64_t>(absl::ToInt64Milliseconds(time), 1);
  ends_at_ms_ = loop().NowMs() + static_cast<uint64_t>(left_ms);
  end_status_ = std::move(status);
  Touch();
}

void Tunnel::Touch() {
  absl::Duration wait = idle_ > absl::ZeroDuration() ? idle_ : absl::InfiniteDuration();
  if (ends_at_ms_ != UINT64_MAX) {
    const uint64_t now = loop().NowMs();
    const uint64_t left_ms = ends_at_ms_ > now ? ends_at_ms_ - now : 1;
    wait = std::min(wait, absl::Milliseconds(static_cast<int64_t>(left_ms)));
  }
  deadline_.Set(wait);
}

void Tunnel::OnDeadline() {
  if (loop().NowMs() >= ends_at_ms_) {
    Abort(std::move(end_status_));
  } else {
    Abort(absl::DeadlineExceededError("nothing moved for too long"));
  }
}

void Tunnel::Abort(absl::Status status) {
  client_side_.stream->Reset();
  server_side_.stream->Reset();
  Finish(std::move(status));
}

void Tunnel::Finish(absl::Status status) {
  if (!done_) return;
  deadline_.Clear();
  std::exchange(done_, nullptr)(std::move(status));
}

void Tunnel::Side::OnData(absl::Span<const uint8_t> bytes) {
  received += bytes.size();
  tunnel->Touch();
  other->stream->Write(bytes);
  if (other->stream->write_blocked()) stream->PauseReading();
}

void Tunnel::Side::OnEnd() {
  ended = true;
  tunnel->Touch();
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
