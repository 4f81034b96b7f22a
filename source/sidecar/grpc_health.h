// Asks an application for its health by gRPC's protocol for it.
// Threads: the loop's; gRPC's threads hand results over. Owns: its calls; destroying it cancels
// them and waits for their ends, and no callback fires after.
// Errors: the callback's status: OK when the service is SERVING, else what it answered.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "source/event/loop.h"

namespace kith::sidecar {

class GrpcHealth {
 public:
  using Done = absl::AnyInvocable<void(absl::Status)>;

  explicit GrpcHealth(event::Loop& loop);
  ~GrpcHealth();
  GrpcHealth(const GrpcHealth&) = delete;
  GrpcHealth& operator=(const GrpcHealth&) = delete;

  // Of the application at this port of the loopback interface; in plaintext.
  void Check(uint16_t port, const std::string& service, absl::Duration timeout, Done done);

 private:
  struct Call;
  struct Calls;
  event::Loop& loop_;
  std::shared_ptr<Calls> calls_;
};

}  // namespace kith::sidecar
