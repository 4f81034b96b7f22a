// Every certificate that is wrong is refused in both directions, with its reason, quickly, and
// without a byte in the log line that does not belong there.
#include "test/tls/bad_peers.h"

#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pool.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <cstdio>
#include <ctime>

#include "absl/strings/ascii.h"
#include "absl/time/time.h"
#include "source/tls/handshake_state.h"
#include "test/tls/raw_peer.h"

namespace kith::tls {
namespace {

using telemetry::Reason;

// Of this thread's own time: a busy machine is not the verifier's fault.
constexpr absl::Duration kLimit = absl::Milliseconds(50);

absl::Duration TimeSpent() {
  timespec spent{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
  return absl::DurationFromTimespec(spent);
}

bssl::UniquePtr<SSL_CTX> ContextOf(const BadPeer& bad) {
  std::vector<bssl::UniquePtr<CRYPTO_BUFFER>> owned;
  std::vector<CRYPTO_BUFFER*> chain;
  for (const std::string& der : bad.chain) {
    owned.emplace_back(
        CRYPTO_BUFFER_new(reinterpret_cast<const uint8_t*>(der.data()), der.size(), nullptr));
    chain.push_back(owned.back().get());
  }
  bssl::UniquePtr<SSL_CTX> context = RawContext();
  auto key = PrivateKey::FromPem(bad.key_pem);
  EXPECT_TRUE(key.ok()) << key.status();
  const uint16_t signatures[] = {SSL_SIGN_ECDSA_SECP256R1_SHA256, SSL_SIGN_ECDSA_SECP384R1_SHA384,
                                 SSL_SIGN_ED25519, SSL_SIGN_RSA_PSS_RSAE_SHA256};
  SSL_CTX_set_signing_algorithm_prefs(context.get(), signatures, 4);
  SSL_CTX_set_verify_algorithm_prefs(context.get(), signatures, 4);
  if (SSL_CTX_set_chain_and_key(context.get(), chain.data(), chain.size(), (*key)->get(),
                                nullptr) != 1) {
    return nullptr;
  }
  return context;
}

struct Outcome {
  bool accepted = false;
  PeerVerdict verdict;
};

// Ours in `role`, and the bad peer in the other.
Outcome Shake(const Context& ours, SSL_CTX* theirs, PeerRole peer_role) {
  Outcome outcome;
  HandshakeState state;
  state.context = &ours;
  state.peer_role = peer_role;
  state.rules = &ours.rules().peer;
  state.expected = {Id(kBackend)};
  const bool we_serve = peer_role == PeerRole::kClient;
  bssl::UniquePtr<SSL> us(SSL_new(we_serve ? ours.server() : ours.client()));
  bssl::UniquePtr<SSL> them(SSL_new(theirs));
  BIO* our_end = nullptr;
  BIO* their_end = nullptr;
  EXPECT_EQ(BIO_new_bio_pair(&our_end, 1 << 18, &their_end, 1 << 18), 1);
  SSL_set_bio(us.get(), our_end, our_end);
  SSL_set_bio(them.get(), their_end, their_end);
  SSL_set_app_data(us.get(), &state);
  we_serve ? SSL_set_accept_state(us.get()) : SSL_set_connect_state(us.get());
  we_serve ? SSL_set_connect_state(them.get()) : SSL_set_accept_state(them.get());
  for (int round = 0; round < 10; ++round) {
    SSL_do_handshake(them.get());
    ERR_clear_error();
    const int result = SSL_do_handshake(us.get());
    const bool waits = result != 1 && SSL_get_error(us.get(), result) == SSL_ERROR_WANT_READ;
    ERR_clear_error();
    if (result == 1) outcome.accepted = true;
    if (!waits) break;
  }
  outcome.verdict = state.verdict;
  return outcome;
}

TEST(BadPeersTest, AreAThousandAndNoneIsAccepted) {
  const Mesh mesh;
  const auto ours = mesh.Workload(kBackend);
  const std::vector<BadPeer> all = BadPeers(mesh, kBackend);
  EXPECT_GE(all.size(), 1000u);
  absl::Duration slowest;
  for (const BadPeer& bad : all) {
    const bssl::UniquePtr<SSL_CTX> theirs = ContextOf(bad);
    ASSERT_NE(theirs, nullptr) << bad.what;
    for (const PeerRole role : {PeerRole::kClient, PeerRole::kServer}) {
      SCOPED_TRACE(bad.what + (role == PeerRole::kClient ? ", as client" : ", as server"));
      const absl::Duration before = TimeSpent();
      const Outcome outcome = Shake(*ours, theirs.get(), role);
      slowest = std::max(slowest, TimeSpent() - before);
      EXPECT_FALSE(outcome.accepted);
      EXPECT_FALSE(outcome.verdict.status.ok());
      EXPECT_NE(outcome.verdict.reason, Reason::kNone);
      EXPECT_NE(outcome.verdict.reason, Reason::kInternal);
      if (bad.reason != Reason::kNone) {
        EXPECT_EQ(telemetry::Name(outcome.verdict.reason), telemetry::Name(bad.reason))
            << outcome.verdict.status;
      }
      const absl::string_view detail = outcome.verdict.status.message();
      EXPECT_TRUE(std::all_of(detail.begin(), detail.end(), absl::ascii_isprint)) << detail;
      EXPECT_LT(detail.size(), 1000u);
    }
  }
  std::printf("%zu certificates, each in both directions; the slowest took %s\n", all.size(),
              absl::FormatDuration(slowest).c_str());
  EXPECT_LT(slowest, kLimit);
}

TEST(BadPeersTest, WouldPassWithoutTheirFault) {
  const Mesh mesh;
  const auto ours = mesh.Workload(kBackend);
  const test::Credential leaf = mesh.ca.Leaf(kBackend);
  const BadPeer good{"good", {leaf.certificate_der}, leaf.key_pem, Reason::kNone};
  for (const PeerRole role : {PeerRole::kClient, PeerRole::kServer}) {
    const Outcome outcome = Shake(*ours, ContextOf(good).get(), role);
    EXPECT_TRUE(outcome.accepted) << outcome.verdict.status;
  }
}

}  // namespace
}  // namespace kith::tls
