// What OCSP says of a leaf whose chain was verified: in the response that a server staples (RFC
// 6066 §8, RFC 8446 §4.4.2.1), or in the one that its responder gave when asked. It is looked at in
// every handshake, beside the verdict of VerifyPeer() or VerifyServer() and not within, so that it
// counts also where a verified chain is remembered.
// Threads: any, pure. Owns: itself.
// Errors: a response that is malformed, of another's making or out of date says nothing, and
// `detail` says why: whether that is enough is the revocation mode's to decide.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "source/tls/peer.h"

namespace kith::tls {

struct OcspWord {
  enum class Says : uint8_t { kNothing, kGood, kRevoked };
  Says says = Says::kNothing;
  std::string detail;  // For logs. Empty when there was no response.
};

// `origin` names the response in details: "the stapled response".
OcspWord ReadOcspWord(absl::string_view response, absl::string_view origin,
                      const VerifiedLeaf& leaf, absl::Time now);

// The leaf that a verdict is about, unless something else than revocation has settled it.
VerifiedLeaf LeafToJudge(const PeerVerdict& verdict, const PeerRules& rules);

// Whether no revocation list in force covers the leaf.
bool IsUnlisted(const VerifiedLeaf& leaf, const TrustBundle& bundle, absl::Time now);

// A revoked leaf is refused; a good one needs no list where revocation is hard, but those above it
// do.
void ApplyOcspWord(const OcspWord& word, const TrustBundle& bundle, absl::Time now,
                   const PeerRules& rules, PeerVerdict& verdict);

}  // namespace kith::tls
