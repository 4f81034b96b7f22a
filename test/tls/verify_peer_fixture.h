// The fixture of tests of VerifyPeer(): a CA whose root is trusted for cluster.local.
// Threads: the test's. Owns: the CA and the bundle. Errors: of making them end the test.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pool.h>
#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "source/tls/peer.h"
#include "test/support/temporary_ca.h"

namespace kith::tls {

inline constexpr char kId[] = "spiffe://cluster.local/ns/shop/sa/backend";
inline const absl::Time kNow = absl::FromUnixSeconds(1767323045);  // 2026-01-02T03:04:05Z

// A chain as a peer sends it.
struct Sent {
  explicit Sent(const std::vector<test::Credential>& chain) {
    for (const test::Credential& credential : chain) {
      const std::string& der = credential.certificate_der;
      owned.emplace_back(
          CRYPTO_BUFFER_new(reinterpret_cast<const uint8_t*>(der.data()), der.size(), nullptr));
      buffers.push_back(owned.back().get());
    }
  }

  std::vector<bssl::UniquePtr<CRYPTO_BUFFER>> owned;
  std::vector<CRYPTO_BUFFER*> buffers;
};

class VerifyPeerTest : public testing::Test {
 protected:
  VerifyPeerTest() : ca_({.now = kNow, .name = "ours"}) { TrustOnly(ca_.root_pem()); }

  void TrustOnly(const std::string& roots) {
    auto bundle = TrustBundle::Create({{"cluster.local", roots}});
    ASSERT_TRUE(bundle.ok()) << bundle.status();
    bundle_ = *std::move(bundle);
  }

  PeerVerdict Verify(const std::vector<test::Credential>& chain, PeerRole role = PeerRole::kClient,
                     absl::Time now = kNow) {
    return VerifyPeer(Sent(chain).buffers, role, *bundle_, now);
  }

  void ExpectRefused(const PeerVerdict& verdict, telemetry::Reason reason,
                     const std::string& detail, int alert) {
    EXPECT_EQ(telemetry::Name(verdict.reason), telemetry::Name(reason));
    EXPECT_EQ(verdict.status.code(), absl::StatusCode::kUnauthenticated);
    EXPECT_THAT(std::string(verdict.status.message()), testing::HasSubstr(detail));
    EXPECT_EQ(verdict.alert, alert);
    EXPECT_FALSE(verdict.peer.has_value());
  }

  // A leaf directly below the root.
  void ExpectLeafRefused(const test::CertificateOptions& options, telemetry::Reason reason,
                         const std::string& detail, int alert) {
    SCOPED_TRACE(detail);
    const test::Credential leaf = ca_.Leaf(options);
    ExpectRefused(Verify({leaf}, PeerRole::kClient), reason, detail, alert);
    ExpectRefused(Verify({leaf}, PeerRole::kServer), reason, detail, alert);
  }

  test::TemporaryCa ca_;
  std::shared_ptr<const TrustBundle> bundle_;
};

}  // namespace kith::tls
