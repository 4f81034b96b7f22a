#include "source/controlplane/ca/signing_request.h"

#include "source/controlplane/ca/refusal.h"

namespace kith::controlplane {
namespace {

Refusal RefusalFor(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOutOfRange:
      return Refusal::kRequestTooLarge;
    case absl::StatusCode::kFailedPrecondition:
      return Refusal::kRequestKey;
    case absl::StatusCode::kPermissionDenied:
      return Refusal::kRequestSignature;
    default:
      return Refusal::kRequestMalformed;
  }
}

}  // namespace

absl::StatusOr<x509::SigningRequest> ParseSigningRequest(absl::string_view request) {
  absl::StatusOr<x509::SigningRequest> parsed = x509::ParseSigningRequest(request);
  if (parsed.ok()) return parsed;
  return Refuse(absl::StatusCode::kInvalidArgument, RefusalFor(parsed.status().code()),
                parsed.status().message());
}

}  // namespace kith::controlplane
