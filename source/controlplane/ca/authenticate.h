// Finds out who makes a gRPC call, from its bearer token: shared by the certificate service and by
// the distribution of configuration.
// Threads: any, at once. Owns: nothing; verifier and metrics must outlive it.
// Errors: UNAUTHENTICATED with a Refusal; the message is fit for the caller and holds no token.
#pragma once

#include <grpcpp/support/status.h>
#include <grpcpp/support/string_ref.h>

#include <map>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "source/controlplane/ca/ca_metrics.h"
#include "source/controlplane/ca/caller.h"
#include "source/controlplane/ca/token_verifier.h"

namespace kith::controlplane {

class Authenticator {
 public:
  // What grpc::ServerContextBase::client_metadata() returns.
  using Metadata = std::multimap<grpc::string_ref, grpc::string_ref>;

  Authenticator(const TokenVerifier& verifier, CaMetrics& metrics)
      : verifier_(verifier), metrics_(metrics) {}

  // Exactly one "authorization: Bearer <token>"; the scheme in any case (RFC 9110 §11.1).
  absl::StatusOr<Caller> Authenticate(const Metadata& metadata) const;

 private:
  absl::StatusOr<Caller> Check(const Metadata& metadata) const;

  const TokenVerifier& verifier_;
  CaMetrics& metrics_;
};

// The same code and message.
grpc::Status ToGrpc(const absl::Status& status);

}  // namespace kith::controlplane
