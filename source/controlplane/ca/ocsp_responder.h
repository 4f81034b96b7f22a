// Answers OCSP requests for the certificates that this authority issued: good, revoked, or unknown
// for what it never did. Signed by their issuer.
// Threads: the loop's. Owns: a cache of answers, bounded. Ledger and revocations must outlive it.
// Errors: none; a request that is malformed, or for another issuer's certificates, gets the
// protocol's own error.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "source/base/clock.h"
#include "source/controlplane/ca/issued_ledger.h"
#include "source/controlplane/ca/revocation_list.h"
#include "source/controlplane/ca/signer.h"

namespace kith::controlplane {

class OcspResponder {
 public:
  struct Options {
    absl::AnyInvocable<std::vector<std::shared_ptr<const Signer>>()> signers;
    const IssuedLedger* ledger = nullptr;
    const RevocationList* revocations = nullptr;
    const base::Clock* clock = &base::Clock::System();
    absl::Duration validity = absl::Hours(1);  // Of an answer. It is made anew at half of it.
    size_t max_cached = 10'000;
  };
  explicit OcspResponder(Options options) : options_(std::move(options)) {}

  // DER to DER.
  std::string Answer(absl::string_view request);

 private:
  struct Cached {
    std::string response;
    absl::Time fresh_until;
  };

  Options options_;
  // By request: one without a nonce has the same answer for everybody.
  absl::flat_hash_map<std::string, Cached> cache_;
  uint64_t cached_number_ = 0;  // Of the revocations that the cache knows.
};

}  // namespace kith::controlplane
