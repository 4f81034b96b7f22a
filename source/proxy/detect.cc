#include "source/proxy/detect.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"

namespace kith::proxy {
namespace {

constexpr size_t kMaxMethod = 24;  // The registered ones have up to 18.

}  // namespace

FirstBytes LookAt(absl::Span<const uint8_t> bytes) {
  const absl::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  size_t method = 0;
  while (method < text.size() && method <= kMaxMethod &&
         (absl::ascii_isupper(static_cast<unsigned char>(text[method])) || text[method] == '-')) {
    ++method;
  }
  if (method > kMaxMethod) return FirstBytes::kOther;
  if (method == text.size()) return FirstBytes::kNeedMore;
  if (method == 0 || text[method] != ' ') return FirstBytes::kOther;
  if (method + 1 == text.size()) return FirstBytes::kNeedMore;
  // Text protocols have commands of capitals too, "SET key"; targets begin like this.
  const char target = text[method + 1];
  const bool connects = text.substr(0, method) == "CONNECT";
  return connects || target == '/' || target == '*' || target == 'h' || target == 'H'
             ? FirstBytes::kHttp
             : FirstBytes::kOther;
}

bool IsServerFirst(uint16_t port) {
  constexpr uint16_t kPorts[] = {25, 587, 3306, 4444, 5432, 6379, 9300, 11211};
  return std::find(std::begin(kPorts), std::end(kPorts), port) != std::end(kPorts);
}

Detection::Detection(WorkerState& worker, net::Stream& stream, absl::Duration patience, Done done)
    : stream_(stream),
      patience_(patience),
      done_(std::move(done)),
      deadline_(worker.loop, [this] { Tell(mesh::Protocol::kTcp); }) {}

void Detection::Start(absl::Span<const uint8_t> first_bytes) {
  stream_.SetHandler(this);
  deadline_.Set(patience_);
  if (!first_bytes.empty()) OnData(first_bytes);
  if (done_ != nullptr) stream_.ResumeReading();
}

void Detection::OnData(absl::Span<const uint8_t> bytes) {
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  switch (LookAt(bytes_)) {
    case FirstBytes::kNeedMore:
      return;
    case FirstBytes::kHttp:
      return Tell(mesh::Protocol::kHttp);
    case FirstBytes::kOther:
      return Tell(mesh::Protocol::kTcp);
  }
}

void Detection::OnEnd() { Tell(absl::UnavailableError("ended before its first bytes")); }

void Detection::OnClosed(absl::Status status) {
  Tell(status.ok() ? absl::UnavailableError("closed before its first bytes") : status);
}

void Detection::Tell(absl::StatusOr<mesh::Protocol> protocol) {
  deadline_.Clear();
  stream_.PauseReading();
  std::exchange(done_, nullptr)(std::move(protocol), std::move(bytes_));
}

}  // namespace kith::proxy
