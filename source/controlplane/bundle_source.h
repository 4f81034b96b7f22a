// A SPIFFE bundle endpoint of another trust domain (SPIFFE Federation §5), asked over HTTPS in one
// of two ways: with a certificate of the web, or with an X509-SVID that the roots known so far
// vouch for.
// Threads: any; Fetch() blocks. Owns: itself. Errors: Fetch() says what was wrong with the server
// or its answer; which address it was is the caller's to add.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "source/base/clock.h"
#include "source/tls/credentials.h"

namespace kith::controlplane {

struct BundleSource {
  enum class Profile : uint8_t { kHttpsWeb, kHttpsSpiffe };

  std::string url;  // Empty: there is no endpoint.
  Profile profile = Profile::kHttpsWeb;
  std::string server_id = {};  // Whom it must prove to be, with kHttpsSpiffe.
  std::string ca_file = {};    // With kHttpsWeb; empty: the system's roots.
  absl::Duration refresh = absl::Minutes(5);

  // `known`: the trust domain's roots so far.
  absl::StatusOr<std::string> Fetch(const tls::TrustBundle::Domain& known, absl::Duration timeout,
                                    const base::Clock& clock) const;
};

}  // namespace kith::controlplane
