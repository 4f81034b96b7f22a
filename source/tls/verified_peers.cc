#include "source/tls/verified_peers.h"

#include <openssl/pool.h>

#include <cstdint>
#include <utility>

namespace kith::tls {

namespace {

// Lengths go before bytes, so that two chains never read the same.
std::string KeyOf(absl::Span<CRYPTO_BUFFER* const> chain, PeerRole role) {
  std::string key(1, role == PeerRole::kClient ? 'c' : 's');
  for (const CRYPTO_BUFFER* certificate : chain) {
    const size_t size = CRYPTO_BUFFER_len(certificate);
    for (int shift = 24; shift >= 0; shift -= 8) key.push_back(static_cast<char>(size >> shift));
    key.append(reinterpret_cast<const char*>(CRYPTO_BUFFER_data(certificate)), size);
  }
  return key;
}

}  // namespace

PeerVerdict VerifiedPeers::Verify(absl::Span<CRYPTO_BUFFER* const> chain, PeerRole role,
                                  const std::shared_ptr<const TrustBundle>& bundle, absl::Time now,
                                  const PeerRules& rules) {
  // A hard rule wants a fresh list's word, and a break-glass forgives what has ended.
  if (rules.revocation == RevocationMode::kHard || rules.ended_since != absl::InfiniteFuture()) {
    return VerifyPeer(chain, role, *bundle, now, rules);
  }
  if (bundle_ != bundle || !(rules_ == rules)) {
    known_.clear();
    bundle_ = bundle;
    rules_ = rules;
  }
  std::string key = KeyOf(chain, role);
  if (const auto found = known_.find(key); found != known_.end()) {
    const auto& [peer, since] = found->second;
    if (since <= now && now < peer.not_after &&
        CheckStanding(peer, *bundle, now, rules).status.ok()) {
      PeerVerdict verdict;
      verdict.peer = peer;
      return verdict;
    }
    known_.erase(found);
  }
  PeerVerdict verdict = VerifyPeer(chain, role, *bundle, now, rules);
  if (!verdict.status.ok() || !verdict.peer || key.size() > kLongestChain) return verdict;
  if (known_.size() >= kMost) known_.clear();
  known_.emplace(std::move(key), Known{*verdict.peer, now});
  return verdict;
}

}  // namespace kith::tls
