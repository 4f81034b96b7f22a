// Revocation lists for tests, good ones and bad ones.
// Threads: any. Owns: nothing. Errors: none; it aborts on what it cannot express.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "test/support/temporary_ca.h"

namespace kith::test {

// Every field has an initializer so that a designated one may leave the rest out under -Wextra.
struct CrlOptions {
  std::vector<Credential> revoked = {};
  absl::Time now = absl::Now();
  absl::optional<absl::Time> this_update = {};  // Default: an hour before `now`.
  absl::optional<absl::Time> next_update = {};  // Default: a day after it.
  bool next_update_present = true;
  absl::optional<Credential> named_after = {};  // Whose name it bears; default: the signer's.
  bool sha1 = false;
  bool corrupt_signature = false;
  bool delta = false;
  bool unknown_critical_extension = false;
  bool unknown_critical_entry_extension = false;
  // The issuing distribution point's content, DER; critical.
  std::string distribution_point = {};
};

// DER.
std::string MakeCrl(const Credential& issuer, const CrlOptions& options);
std::string CrlPem(const std::string& der);

}  // namespace kith::test
