// What a peer's certificate says of its holder beside the SPIFFE ID, for policies
// (docs/authorization.md). Read only where a policy asks for it: once for a connection.
// Threads: any; pure. Owns: the text it makes.
// Errors: nothing at all when a part cannot be read or is too large: half of what a certificate
// says could turn a rule around.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/types/optional.h"
#include "source/tls/peer.h"

namespace kith::tls {

struct CertificateAttributes {
  // Every value, as UTF-8.
  std::vector<std::string> common_names, organizations, units;
  std::vector<std::string> dns_names;
  std::string serial;       // Lower-case hex without leading zeros.
  std::string issuer;       // RFC 2253's form.
  std::string fingerprint;  // SHA-256 of the certificate, lower-case hex.
  // Object identifier in dots, and the value: the text of a DER string, else bytes that are visible
  // ASCII as they are, else lower-case hex.
  std::vector<std::pair<std::string, std::string>> extensions;
};

absl::optional<CertificateAttributes> ReadAttributes(const Peer& peer);

}  // namespace kith::tls
