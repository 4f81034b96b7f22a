// The peers whose chains a worker has verified under the rules in force: it meets the same few
// again and again, and the signatures of their chains cannot change. What can is looked at each
// time: the clock, the revocation lists, and by the caller who is expected. That the peer has its
// key every handshake proves anew. Another bundle or other rules forget all of it, and whatever is
// out of the ordinary (an end of validity, a revocation, a break-glass, revocation that is hard) is
// verified as if it had never been seen. Threads: the worker's. Owns: what it remembers, at most
// kMost peers. Errors: those of VerifyPeer(), whose word every refusal is.
#pragma once

#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "source/tls/peer.h"

namespace kith::tls {

class VerifiedPeers {
 public:
  static constexpr size_t kMost = 512;
  static constexpr size_t kLongestChain = 8192;  // Bytes; a longer one is verified every time.

  VerifiedPeers() = default;
  VerifiedPeers(const VerifiedPeers&) = delete;
  VerifiedPeers& operator=(const VerifiedPeers&) = delete;

  // As VerifyPeer().
  PeerVerdict Verify(absl::Span<CRYPTO_BUFFER* const> chain, PeerRole role,
                     const std::shared_ptr<const TrustBundle>& bundle, absl::Time now,
                     const PeerRules& rules);
  size_t size() const { return known_.size(); }

 private:
  struct Known {
    Peer peer;
    absl::Time since;
  };

  absl::flat_hash_map<std::string, Known> known_;  // By role and chain, byte for byte.
  // Under which they were verified.
  std::shared_ptr<const TrustBundle> bundle_;
  PeerRules rules_;
};

}  // namespace kith::tls
