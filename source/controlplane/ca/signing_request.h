// Reads a certificate signing request, as x509/signing_request.h, for those who are sent one.
// Threads: any. Owns: nothing.
// Errors: INVALID_ARGUMENT with a Refusal: too large, malformed, not signed by its own key, or a
// key that is not accepted.
#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "source/x509/signing_request.h"

namespace kith::controlplane {

using SigningRequest = x509::SigningRequest;

absl::StatusOr<SigningRequest> ParseSigningRequest(absl::string_view request);

}  // namespace kith::controlplane
