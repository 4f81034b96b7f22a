// What protocol a connection speaks, by its first bytes, where nothing has declared it.
// Threads: the worker's loop. Owns: nothing; borrows the stream until it has told.
// Errors: a stream that ends first is told as UNAVAILABLE.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "source/mesh/snapshot.h"
#include "source/net/stream.h"
#include "source/proxy/deadline.h"
#include "source/proxy/worker_state.h"

namespace kith::proxy {

enum class FirstBytes : uint8_t { kNeedMore, kHttp, kOther };

// A method and the beginning of a target are HTTP; everything else is left to be opaque.
FirstBytes LookAt(absl::Span<const uint8_t> bytes);

// Ports whose server usually speaks first (SMTP, MySQL, PostgreSQL and so on, as Linkerd has them
// opaque): waiting for the client's first bytes would only delay them.
bool IsServerFirst(uint16_t port);

class Detection final : public event::Deletable, private net::StreamHandler {
 public:
  // kHttp or kTcp. The bytes read so far are in `first_bytes`.
  using Done =
      absl::AnyInvocable<void(absl::StatusOr<mesh::Protocol>, std::vector<uint8_t> first_bytes)>;

  // Waits at most `patience` for the client to speak, and takes it for TCP then. Calls `done` once,
  // never before Start() returned when there is something to wait for; the stream is paused then.
  Detection(WorkerState& worker, net::Stream& stream, absl::Duration patience, Done done);
  // `first_bytes` were read before.
  void Start(absl::Span<const uint8_t> first_bytes);

 private:
  void OnData(absl::Span<const uint8_t> bytes) override;
  void OnEnd() override;
  void OnClosed(absl::Status status) override;
  void OnDrained() override {}
  void Tell(absl::StatusOr<mesh::Protocol> protocol);

  net::Stream& stream_;
  const absl::Duration patience_;
  Done done_;
  std::vector<uint8_t> bytes_;
  Deadline deadline_;
};

}  // namespace kith::proxy
