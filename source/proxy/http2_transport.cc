#include "source/proxy/http2_transport.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "source/telemetry/reason_status.h"

namespace kith::proxy {

namespace {

// Gathers frames into pieces for the stream. What is large goes on from where it lies, up to the
// last whole TLS record of it.
class Gathering final : public http::Http2Session::Output {
 public:
  Gathering(net::Stream& stream, std::string& pending) : stream_(stream), pending_(pending) {}

  void Add(absl::Span<const uint8_t> bytes) override {
    if (bytes.size() >= kLarge) {
      const size_t beyond = pending_.size() % kRecord;
      if (beyond > 0) Take(bytes, kRecord - beyond);
      Flush();
      const size_t whole = bytes.size() - bytes.size() % kRecord;
      stream_.Write(bytes.subspan(0, whole));
      bytes.remove_prefix(whole);
    }
    Take(bytes, bytes.size());
    if (pending_.size() >= Http2Transport::kPiece) Flush();
  }
  void Flush() {
    stream_.Write(pending_);
    pending_.clear();
  }

 private:
  static constexpr size_t kRecord = 16384;
  static constexpr size_t kLarge = 2 * kRecord;

  void Take(absl::Span<const uint8_t>& bytes, size_t size) {
    pending_.append(reinterpret_cast<const char*>(bytes.data()), size);
    bytes.remove_prefix(size);
  }

  net::Stream& stream_;
  std::string& pending_;
};

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
  // In TLS 1.3 a server says only now that it does not take our certificate.
  reason_ = telemetry::ReasonOf(status, reason_);
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
  Gathering out(*stream_, worker_.frames);
  bool all = false;
  while (!all && !stream_->write_blocked()) {
    all = session_.Send(kPiece, out);
    out.Flush();
  }
}

void Http2Transport::OnLargeOutput() {
  // Not while another flush is under way, in whose course this was written.
  if (!closed_ && worker_.frames.empty()) Flush();
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
