// The part of a handshake's check of its peer that OCSP has: the staple, and where that is silent
// and the peer stands outside the mesh, the word of its responder.
// Threads: the connection's. Owns: nothing. For tls/ only. Errors: the verdict carries them.
#pragma once

#include <cstdint>

#include "source/tls/handshake_state.h"

namespace kith::tls {

enum class OcspStep : uint8_t {
  kJudged,  // The verdict stands.
  kWait,    // `state.question` must be answered before; the check is then done once more.
};

// `responders`: who asks about this peer; null: nobody.
OcspStep CheckOcsp(const SSL* ssl, const TrustBundle& bundle, absl::Time now,
                   const PeerRules& rules, Responders* responders, HandshakeState& state);

}  // namespace kith::tls
