// Has a certificate signed by a certificate authority: over gRPC (control/certificate_client.h), or
// by a fake in tests.
// Threads: the loop's. Owns: see the implementations.
// Errors: UNAVAILABLE and DEADLINE_EXCEEDED when the authority was not reached, UNAUTHENTICATED
// when it refused the caller, INVALID_ARGUMENT when it refused the request, FAILED_PRECONDITION
// when there is no token to send, DATA_LOSS when its answer makes no sense.
#pragma once

#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace kith::identity {

struct SigningRequest {
  std::string csr_pem;
  absl::Duration lifetime;  // Asked for; the authority may give less.
};

struct SigningReply {
  std::string chain_pem;  // The leaf first, then its intermediates.
  // What the authority calls its roots. Trust comes from the bundle, never from here.
  std::string roots_pem;
};

class SigningClient {
 public:
  using Done = absl::AnyInvocable<void(absl::StatusOr<SigningReply>)>;

  virtual ~SigningClient() = default;

  // Calls `done` once, on the loop, never before it returns; not at all once the client is
  // destroyed.
  virtual void Sign(SigningRequest request, Done done) = 0;
};

}  // namespace kith::identity
