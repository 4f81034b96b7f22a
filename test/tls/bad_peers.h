// More than a thousand certificates that nobody may accept, each with the reason that must be
// given. Threads: the test's. Owns: keys and chains. Errors: of making them end the test.
#pragma once

#include <string>
#include <vector>

#include "source/telemetry/reason.h"
#include "test/tls/mesh.h"

namespace kith::tls {

struct BadPeer {
  std::string what;
  std::vector<std::string> chain;  // DER, as sent, the leaf first.
  std::string key_pem;             // Of the leaf.
  // kNone: any reason of a certificate will do; chance decides which byte is changed.
  telemetry::Reason reason;
};

// `good`: the one identity that would be accepted.
std::vector<BadPeer> BadPeers(const Mesh& mesh, const std::string& good);

}  // namespace kith::tls
