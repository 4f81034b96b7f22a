// A trust domain's roots in the format of SPIFFE bundle endpoints: a JWK set whose keys of use
// "x509-svid" carry one certificate each (x5c).
// Threads: any; pure. Owns: nothing.
// Errors: INVALID_ARGUMENT that says what is missing or wrong; keys for other uses (jwt-svid, and
// those of standards to come) are passed over, as the standard asks.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace kith::tls {

struct SpiffeBundle {
  std::string roots_pem;
  uint64_t sequence = 0;  // Rises with each change; zero: not counted.
  // How often to look again; zero: not said.
  absl::Duration refresh_hint = absl::ZeroDuration();
};

inline constexpr size_t kMaxSpiffeBundleBytes = size_t{1024} * 1024;

// INVALID_ARGUMENT also when no key of use x509-svid is there: such a bundle trusts nobody, which
// nobody means to publish.
absl::StatusOr<SpiffeBundle> ParseSpiffeBundle(absl::string_view json);

absl::StatusOr<std::string> FormatSpiffeBundle(const SpiffeBundle& bundle);

}  // namespace kith::tls
