#include "source/proxy/http2_transport.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace kith::proxy {

namespace {

// Output moves to the stream in pieces as large as can be: one write, and with TLS one record, for
// the frames of many streams.
constexpr size_t kPiece = size_t{128} * 1024;

}  // namespace

Http2Transport::Http2Transport(WorkerState& worker, Owner& owner,
                               std::unique_ptr<net::Stream> stream,
                               const http::Http2Session::Options& options, absl::string_view peer)
    : worker_(worker),
      owner_(&owner),
      stream_(std::move(stream)),
      session_(options, worker.loop.blocks(), *this),
      ended_(absl::StrCat(peer, " ended the connection")) {}

Http2Transport::~Http2Transport() = default;

void Http2Transport::Start(absl::Span<const uint8_t> first_bytes) {
  stream_->SetHandler(this);
  if (!first_bytes.empty()) OnData(first_bytes);
  if (!closed_) stream_->ResumeReading();
}

void Http2Transport::OnData(absl::Span<const uint8_t> bytes) {
  const absl::Status received = session_.Receive(bytes, worker_.loop.NowMs());
  if (closed_ || received.ok()) return;
  Flush();
  owner_->OnOver(std::string(received.message()));
}

void Http2Transport::OnClosed(absl::Status status) {
  owner_->OnOver(status.ok() ? ended_ : std::string(status.message()));
}

void Http2Transport::OnEndOfTurn() {
  if (closed_) return;
  owner_->OnTurnEnds();
  Flush();
  if (session_.finished()) {
    owner_->OnOver(ended_);
  } else {
    owner_->OnFlushed();
  }
}

// Until there is nothing more or the stream is blocked; its OnDrained() is then the time to go on.
void Http2Transport::Flush() {
  bool all = false;
  while (!all && !stream_->write_blocked()) {
    worker_.frames.clear();
    all = session_.Send(kPiece, worker_.frames);
    stream_->Write(worker_.frames);
  }
}

void Http2Transport::Close(const std::string& detail) {
  if (closed_) return;
  closed_ = true;
  stream_->CloseAfterFlush();
  session_.CloseAll(detail);
}

void Http2Transport::Abandon() {
  owner_ = nullptr;
  if (closed_) return;
  closed_ = true;
  stream_->CloseAfterFlush();
}

}  // namespace kith::proxy
