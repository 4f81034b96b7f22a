#include "source/proxy/carried.h"

#include <utility>

namespace kith::proxy {

void Carried::StartHttp1(WorkerState& worker, HttpSession& session,
                         std::unique_ptr<net::Stream> stream, absl::Duration validity,
                         absl::Span<const uint8_t> first_bytes) {
  http_ = std::make_unique<HttpConnection>(worker, session, std::move(stream), validity);
  http_->Start(first_bytes);
}

void Carried::StartHttp2(WorkerState& worker, HttpSession& session,
                         std::unique_ptr<net::Stream> stream, absl::Duration validity,
                         absl::Span<const uint8_t> first_bytes) {
  if (http_ != nullptr) worker.loop.DeleteLater(std::move(http_));
  http2_ = std::make_unique<Http2Connection>(worker, session, std::move(stream), validity);
  http2_->Start(first_bytes);
}

Tunnel& Carried::Use(std::unique_ptr<Tunnel> tunnel) {
  tunnel_ = std::move(tunnel);
  return *tunnel_;
}

void Carried::StartDraining() {
  if (http_ != nullptr) http_->StartDraining();
  if (http2_ != nullptr) http2_->StartDraining();
}

bool Carried::CutOff(const absl::Status& status) {
  if (http2_ != nullptr) {
    http2_->CutOff(status);
  } else if (http_ != nullptr) {
    http_->CutOff(status);
  } else if (tunnel_ != nullptr) {
    tunnel_->Abort(status);
  } else {
    return false;
  }
  return true;
}

}  // namespace kith::proxy
