// How a client's sidecar opens TLS to servers outside the mesh: what a DestinationRule of mode
// SIMPLE or MUTUAL says, with its defaults filled in.
// Threads: plain data, immutable once in a snapshot. Owns: itself. Errors: none;
// control/tls_origination.h checks what it is made from, and whoever reads the files says what is
// wrong with them.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <vector>

namespace kith::mesh {

// What is said in plaintext before TLS begins.
enum class InBandTls : uint8_t { kNone, kPostgresql, kMysql };

struct TlsOrigination {
  std::string sni;
  // DNS names, IP addresses, URIs: the server's certificate must bear one.
  std::vector<std::string> names;
  // Paths of files. Without a certificate none is shown.
  std::string client_certificate;
  std::string private_key;
  std::string ca_certificates;  // Empty: those that the system trusts.
  std::string ca_crl;           // Empty: none.
  bool insecure_skip_verify = false;
  InBandTls in_band = InBandTls::kNone;

  auto operator<=>(const TlsOrigination&) const = default;
};

}  // namespace kith::mesh
