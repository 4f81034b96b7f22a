// What the callbacks of one handshake need and leave behind. An SSL made from a Context refers to
// one as its app data while it shakes hands; without it they refuse.
// Threads: the connection's. Owns: see each field. For tls/ only.
// Errors: the verdict carries them.
#pragma once

#include <openssl/base.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "source/tls/context.h"
#include "source/tls/peer.h"
#include "source/tls/responders.h"

namespace kith::tls {

class UpstreamContext;
class VerifiedPeers;

struct HandshakeState {
  // One of both, borrowed.
  const Context* context = nullptr;
  const UpstreamContext* upstream = nullptr;
  PeerRole peer_role = PeerRole::kClient;
  const PeerRules* rules = nullptr;   // Borrowed.
  VerifiedPeers* verified = nullptr;  // Borrowed; null: every peer is verified from the beginning.
  // The server's identity must be one of these.
  std::vector<base::SpiffeId> expected;
  // In order of preference; empty: none is spoken and any offer is passed over.
  std::vector<std::string> alpn;
  // Left behind by the check of the peer's certificate.
  PeerVerdict verdict;
  // What the check of the certificate has to ask first, and the answer when it has come.
  absl::optional<Responders::Question> question;
  std::shared_ptr<const Responders::Answer> answer;
  // What a client offered of which nothing is spoken here, as it came and cut short.
  std::vector<uint8_t> refused_alpn;

  bool Waits() const { return question.has_value() && answer == nullptr; }
};

// What every handshake of a Context checks its peer's certificate with (SSL_set_custom_verify).
ssl_verify_result_t CheckPeerOf(SSL* ssl, uint8_t* alert) noexcept;

}  // namespace kith::tls
