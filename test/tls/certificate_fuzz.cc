// Certificates as a peer may send them: whatever is changed in them, only an identity that the root
// has signed is ever proven.
// The input is a chain: each certificate behind its length in two bytes, the leaf first. The seeds
// and the root are made by certificate_seeds.cc.
#include <openssl/pool.h>
#include <openssl/x509.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "source/base/check.h"
#include "source/tls/peer.h"
#include "test/tls/mesh.h"

namespace kith::tls {
namespace {

constexpr char kRoot[] = R"(
-----BEGIN CERTIFICATE-----
MIIBijCCAS+gAwIBAgIQUUG4Dl707qbjTxPwG4VgPjAKBggqhkjOPQQDAjAUMRIw
EAYDVQQDDAlmdXp6IHJvb3QwHhcNMjYwMTAyMDIwNDA1WhcNMzUxMjMxMDMwNDA1
WjAUMRIwEAYDVQQDDAlmdXp6IHJvb3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
AATkEKw5jW18LtKBYsoZn8lwZehomHgEJy77WiR9t7dhUVXj9ZUdjOryYtr8G4X0
DIhz7/3fk1NoEzt6JXfSX15Bo2MwYTAPBgNVHRMBAf8EBTADAQH/MA4GA1UdDwEB
/wQEAwIBBjAdBgNVHQ4EFgQUtVG7e9472MC0AXnlZ7x6lPd0xdMwHwYDVR0jBBgw
FoAUtVG7e9472MC0AXnlZ7x6lPd0xdMwCgYIKoZIzj0EAwIDSQAwRgIhALGYWBzi
VymAhLDBDZCmZBhBxOoe6TnwXn/Qu+O1+647AiEA330cuqAARw7qiHohaYg19Iv5
+kGh5tAKpVBoB8R+Xb4=
-----END CERTIFICATE-----
)";

const TrustBundle& Bundle() {
  static const auto& bundle = *new std::shared_ptr<const TrustBundle>([] {
    auto created = TrustBundle::Create({{"cluster.local", kRoot}});
    KITH_CHECK(created.ok(), "the root is a good one");
    return *std::move(created);
  }());
  return *bundle;
}

void Check(const std::vector<CRYPTO_BUFFER*>& chain, PeerRole role) {
  const PeerVerdict verdict = VerifyPeer(chain, role, Bundle(), test::ManualClock().Now());
  KITH_CHECK(verdict.status.ok() == verdict.peer.has_value(), "only success has a peer");
  KITH_CHECK(verdict.status.ok() == (verdict.reason == telemetry::Reason::kNone),
             "a failure has a reason");
  KITH_CHECK(verdict.status.ok() || verdict.alert != 0, "a failure has an alert");
  KITH_CHECK(verdict.status.message().size() < 4096, "a detail is bounded");
  if (verdict.peer) {
    KITH_CHECK(verdict.peer->id.text() == kBackend, "the root has signed for one workload only");
  }
}

}  // namespace
}  // namespace kith::tls

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::vector<bssl::UniquePtr<CRYPTO_BUFFER>> owned;
  std::vector<CRYPTO_BUFFER*> chain;
  while (size > 2 && chain.size() < 12) {
    const size_t length = std::min<size_t>(data[0] << 8 | data[1], size - 2);
    owned.emplace_back(CRYPTO_BUFFER_new(data + 2, length, nullptr));
    chain.push_back(owned.back().get());
    // What is said of a certificate for logs works without any trust in it.
    bssl::UniquePtr<X509> certificate(X509_parse_from_buffer(chain.back()));
    if (certificate != nullptr) {
      const kith::tls::CertificateInfo info = kith::tls::Describe(*certificate);
      KITH_CHECK(info.serial.size() <= 64 && info.subject.size() < 300 && info.issuer.size() < 300,
                 "what is said of a certificate is bounded");
      kith::tls::IssuerKeyId(*certificate);
    }
    data += 2 + length;
    size -= 2 + length;
  }
  kith::tls::Check(chain, kith::tls::PeerRole::kClient);
  kith::tls::Check(chain, kith::tls::PeerRole::kServer);
  return 0;
}
