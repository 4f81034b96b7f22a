// What is asked of handshakes and connections beyond an X509-SVID with a root of ours: one
// workload's rules, as its policies and its bootstrap say.
// Threads: plain values. Owns: itself. Errors: none; control/ and sidecar/ check what they fill in.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/time/time.h"
#include "source/tls/revocation.h"

namespace kith::tls {

enum class MinVersion : uint8_t { kTls13, kTls12 };

// What a port asks of who connects with TLS.
enum class ClientCertificate : uint8_t {
  kRequire,  // Without one the handshake fails.
  kWant,     // Asked for; one that is sent is checked, none is let through without an identity.
  kNone,     // Not asked for.
};

// Peers of these identities must have one of these leaf certificates or keys.
struct PinSet {
  using Digest = std::array<uint8_t, 32>;  // SHA-256.

  // SPIFFE IDs; "spiffe://partner.example/*" stands for all that begin so. Empty: every peer.
  std::vector<std::string> principals;
  std::vector<Digest> certificates;
  std::vector<Digest> public_keys;  // Of the SubjectPublicKeyInfo.

  bool operator==(const PinSet&) const = default;
};

// What a peer's certificate must satisfy.
struct PeerRules {
  RevocationMode revocation = RevocationMode::kSoft;
  uint8_t max_intermediates = 5;  // Between the leaf and the root.
  std::vector<PinSet> pins;       // Every set that names the peer must hold its pin.
  // Break-glass: a certificate that ended at this time or later still counts as valid.
  absl::Time ended_since = absl::InfiniteFuture();

  bool operator==(const PeerRules&) const = default;
};

struct TrustRules {
  PeerRules peer;
  MinVersion min_version = MinVersion::kTls13;
  // Names of TLS 1.2's suites, as BoringSSL has them. Empty: every one of the list in context.cc.
  std::vector<std::string> tls12_ciphers;
  ClientCertificate client_certificate = ClientCertificate::kRequire;
  absl::btree_map<uint16_t, ClientCertificate> port_client_certificates;
  // A connection of mutual TLS is drained at this age at the latest.
  absl::Duration max_connection_age = absl::InfiniteDuration();
  bool break_glass_allowed = true;  // Where the bootstrap permits it.
  // Until then connections outlive the ends of their certificates.
  absl::Time break_glass_until = absl::InfinitePast();

  bool operator==(const TrustRules&) const = default;
  ClientCertificate ForPort(uint16_t port) const {
    const auto own = port_client_certificates.find(port);
    return own == port_client_certificates.end() ? client_certificate : own->second;
  }
};

}  // namespace kith::tls
