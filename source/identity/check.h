// What an identity must be before it is offered for use, wherever it comes from.
// Threads: any; pure. Owns: nothing. Errors: the refusal names what is wrong and what to check.
#pragma once

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "source/base/spiffe_id.h"
#include "source/identity/source.h"
#include "source/tls/credentials.h"

namespace kith::identity {

struct Refusal {
  Failure failure = Failure::kNone;
  absl::Status status;
};

// It is of `expected`, and every certificate of its chain is valid at `now`. A refused validity
// says what both clocks say.
Refusal CheckIdentity(const tls::Identity& identity, const base::SpiffeId& expected,
                      absl::Time now);

}  // namespace kith::identity
