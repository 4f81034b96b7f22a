#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/aead.h>
#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "test/tls/raw_peer.h"
#include "test/tls/tls_pair.h"

namespace kith::tls {
namespace {

using telemetry::Reason;
using testing::HasSubstr;

TlsStream::ServerOptions ServerOptions(std::shared_ptr<const Context> context,
                                       std::vector<std::string> alpn = {}) {
  TlsStream::ServerOptions options;
  options.context = std::move(context);
  options.alpn = std::move(alpn);
  return options;
}

TlsStream::ClientOptions ClientOptions(std::shared_ptr<const Context> context,
                                       std::vector<std::string> alpn = {}) {
  TlsStream::ClientOptions options;
  options.context = std::move(context);
  options.alpn = std::move(alpn);
  options.expected = {Id(kBackend)};
  return options;
}

TEST(HandshakeTest, ProvesBothIdentities) {
  const Mesh mesh;
  const auto frontend = mesh.Workload(kFrontend);
  const auto backend = mesh.Workload(kBackend);
  TlsPair pair;
  pair.Accept(ServerOptions(backend, {"kith/1", "h2"}));
  TlsStream::ClientOptions options = ClientOptions(frontend, {"h2", "kith/1"});
  options.sni = "backend.shop.svc";
  options.expected = {Id("spiffe://cluster.local/ns/shop/sa/other"), Id(kBackend)};
  pair.Connect(std::move(options));
  ASSERT_TRUE(pair.Shake());
  for (const HandshakeResult& result : {*pair.client_done, *pair.server_done}) {
    EXPECT_TRUE(result.status.ok()) << result.status;
    EXPECT_EQ(result.reason, Reason::kNone);
    EXPECT_EQ(result.alpn, "kith/1");
    EXPECT_EQ(result.sni, "backend.shop.svc");
    EXPECT_EQ(result.version, "TLSv1.3");
    EXPECT_GT(result.duration, absl::ZeroDuration());
    EXPECT_LT(result.duration, absl::Seconds(10));
    ASSERT_TRUE(result.peer.has_value());
  }
  EXPECT_EQ(pair.client_done->peer->id.text(), kBackend);
  EXPECT_EQ(pair.client_done->peer->leaf.serial, backend->identity().leaf().serial);
  EXPECT_EQ(pair.server_done->peer->id.text(), kFrontend);
  EXPECT_EQ(pair.server_done->peer->leaf.serial, frontend->identity().leaf().serial);
  EXPECT_EQ(&pair.client->context(), frontend.get());
  EXPECT_EQ(&pair.server->context(), backend.get());
  EXPECT_EQ(pair.client->handshake().peer->id.text(), kBackend);
  EXPECT_EQ(pair.client->close_reason(), Reason::kNone);
}

TEST(HandshakeTest, WorksWithEveryStrongKindOfKey) {
  const Mesh mesh;
  for (test::KeyType type :
       {test::KeyType::kP384, test::KeyType::kRsa2048, test::KeyType::kEd25519}) {
    TlsPair pair;
    pair.Establish(mesh.WorkloadWith(mesh.ca.Leaf({.uri_sans = {kFrontend}, .key_type = type})),
                   mesh.WorkloadWith(mesh.ca.Leaf({.uri_sans = {kBackend}, .key_type = type})));
  }
}

TEST(HandshakeTest, SendsIntermediates) {
  const Mesh mesh;
  const test::Credential issuer =
      mesh.ca.SignedBy(mesh.ca.root(), test::CaCertificate("intermediate"));
  TlsPair pair;
  pair.Establish(mesh.WorkloadWith(mesh.ca.SignedBy(issuer, {.uri_sans = {kFrontend}})),
                 mesh.WorkloadWith(mesh.ca.SignedBy(issuer, {.uri_sans = {kBackend}})));
}

TEST(HandshakeTest, PrefersTheServersOrderOfProtocols) {
  const Mesh mesh;
  TlsPair pair;
  pair.Accept(ServerOptions(mesh.Workload(kBackend), {"h2", "http/1.1"}));
  pair.Connect(ClientOptions(mesh.Workload(kFrontend), {"other", "http/1.1", "h2"}));
  ASSERT_TRUE(pair.Shake());
  EXPECT_EQ(pair.client_done->alpn, "h2");
  EXPECT_EQ(pair.server_done->alpn, "h2");
}

TEST(HandshakeTest, RefusesProtocolsItDoesNotSpeak) {
  const Mesh mesh;
  TlsPair pair;
  pair.Accept(ServerOptions(mesh.Workload(kBackend), {"kith/1"}));
  pair.Connect(ClientOptions(mesh.Workload(kFrontend), {"kith/11", "h2"}));
  ASSERT_TRUE(pair.Shake());
  EXPECT_EQ(pair.server_done->reason, Reason::kNoSharedAlpn);
  EXPECT_EQ(pair.client_done->reason, Reason::kAlertReceived);
  EXPECT_THAT(std::string(pair.client_done->status.message()),
              HasSubstr("no_application_protocol; does it speak one of the protocols we offer?"));
}

TEST(HandshakeTest, AcceptsAClientWithoutProtocols) {
  const Mesh mesh;
  TlsPair pair;
  pair.Accept(ServerOptions(mesh.Workload(kBackend), {"kith/1"}));
  pair.Connect(ClientOptions(mesh.Workload(kFrontend)));
  ASSERT_TRUE(pair.Shake());
  EXPECT_TRUE(pair.server_done->status.ok());
  EXPECT_EQ(pair.server_done->alpn, "");
}

TEST(HandshakeTest, PassesOverProtocolsWhenItHasNone) {
  const Mesh mesh;
  TlsPair pair;
  pair.Accept(ServerOptions(mesh.Workload(kBackend)));
  pair.Connect(ClientOptions(mesh.Workload(kFrontend), {"h2"}));
  ASSERT_TRUE(pair.Shake());
  EXPECT_TRUE(pair.server_done->status.ok());
  EXPECT_EQ(pair.client_done->alpn, "");
}

TEST(HandshakeTest, TakesBytesThatWereReadBefore) {
  const Mesh mesh;
  TlsPair pair;
  pair.Connect(ClientOptions(mesh.Workload(kFrontend)));
  pair.sockets.server->ResumeReading();
  ASSERT_TRUE(pair.Until([&] { return !pair.sockets.at_server.received.empty(); }));
  pair.sockets.server->PauseReading();
  const std::string& peeked = pair.sockets.at_server.received;
  TlsStream::ServerOptions options = ServerOptions(mesh.Workload(kBackend));
  options.first_bytes.assign(peeked.begin(), peeked.end());
  pair.Accept(std::move(options));
  ASSERT_TRUE(pair.Shake());
  EXPECT_TRUE(pair.server_done->status.ok()) << pair.server_done->status;
  pair.sockets.Pass();
  EXPECT_EQ(pair.sockets.loop->blocks().outstanding(), 0u);
}

TEST(HandshakeTest, TakesHalfAHelloThatWasReadBeforeInsideTheReadItself) {
  const Mesh mesh;
  TlsPair pair;
  pair.Connect(ClientOptions(mesh.Workload(kFrontend)));
  // As the inbound side does it: in the callback of the plain stream's read.
  pair.sockets.at_server.on_data = [&](absl::Span<const uint8_t> bytes) {
    pair.sockets.server->PauseReading();
    TlsStream::ServerOptions options = ServerOptions(mesh.Workload(kBackend));
    options.first_bytes.assign(bytes.begin(), bytes.end());
    pair.Accept(std::move(options));
  };
  pair.sockets.server->ResumeReading();
  ASSERT_TRUE(pair.Shake());
  EXPECT_TRUE(pair.server_done->status.ok()) << pair.server_done->status;
}

TEST(HandshakeTest, NeedsAnExpectedIdentity) {
  const Mesh mesh;
  TlsPair pair;
  TlsStream::ClientOptions options = ClientOptions(mesh.Workload(kFrontend));
  options.expected.clear();
  pair.Connect(std::move(options));
  pair.sockets.server->ResumeReading();
  ASSERT_TRUE(pair.Until([&] { return pair.client_done.has_value(); }));
  EXPECT_EQ(pair.client_done->reason, Reason::kWrongSan);
  EXPECT_THAT(std::string(pair.client_done->status.message()),
              HasSubstr("no identity is expected of the server"));
  ASSERT_TRUE(pair.Until([&] { return pair.sockets.at_server.ends == 1; }));
  EXPECT_EQ(pair.sockets.at_server.received, "");
}

TEST(HandshakeTest, ReportsAServerNameThatIsTooLong) {
  const Mesh mesh;
  TlsPair pair;
  TlsStream::ClientOptions options = ClientOptions(mesh.Workload(kFrontend));
  options.sni = std::string(256, 'a');
  pair.Connect(std::move(options));
  ASSERT_TRUE(pair.Until([&] { return pair.client_done.has_value(); }));
  EXPECT_THAT(std::string(pair.client_done->status.message()), HasSubstr("SNI"));
}

TEST(HandshakeTest, IsSilentWhenItIsAbandoned) {
  const Mesh mesh;
  TlsPair pair;
  pair.Start(mesh.Workload(kFrontend), mesh.Workload(kBackend));
  pair.client.reset();
  pair.server->Close();
  pair.sockets.Pass();
  EXPECT_FALSE(pair.client_done.has_value());
  EXPECT_FALSE(pair.server_done.has_value());
}

TEST(HandshakeTest, MayBeDestroyedByItsCallbackThroughTheLoop) {
  const Mesh mesh;
  TlsPair pair;
  pair.on_server_done = [&] { pair.sockets.loop->DeleteLater(std::move(pair.server)); };
  pair.on_client_done = [&] { pair.sockets.loop->DeleteLater(std::move(pair.client)); };
  pair.Start(mesh.Workload(kFrontend), mesh.Workload(kBackend));
  ASSERT_TRUE(pair.Shake());
  pair.sockets.Pass();
}

class RawClientTest : public testing::Test {
 protected:
  void Accept(MinVersion min_version = MinVersion::kTls13) {
    pair_.Accept(ServerOptions(mesh_.Workload(kBackend, min_version)));
  }
  RawPeer& Connect(SSL_CTX* context, SSL_SESSION* session = nullptr) {
    raw_ =
        std::make_unique<RawPeer>(std::move(pair_.sockets.client), context, RawPeer::Side::kClient);
    if (session != nullptr) SSL_set_session(raw_->ssl(), session);
    raw_->Start();
    EXPECT_TRUE(pair_.Until([&] { return pair_.server_done.has_value(); }));
    EXPECT_TRUE(pair_.Until([&] { return raw_->done() || raw_->failed(); }));
    return *raw_;
  }

  Mesh mesh_;
  TlsPair pair_;
  std::unique_ptr<RawPeer> raw_;
};

TEST_F(RawClientTest, GetsTheFastSuite) {
  Accept();
  RawPeer& raw = Connect(RawContext(mesh_.ca.Leaf(kFrontend)).get());
  ASSERT_TRUE(pair_.server_done->status.ok());
  if (EVP_has_aes_hardware() != 0) {
    EXPECT_STREQ(SSL_get_cipher(raw.ssl()), "TLS_AES_128_GCM_SHA256");
  }
  EXPECT_EQ(SSL_get_curve_id(raw.ssl()), SSL_CURVE_X25519);
}

TEST_F(RawClientTest, MayBeOfTls12OnRequest) {
  Accept(MinVersion::kTls12);
  auto context = RawContext(mesh_.ca.Leaf(kFrontend));
  SSL_CTX_set_max_proto_version(context.get(), TLS1_2_VERSION);
  RawPeer& raw = Connect(context.get());
  EXPECT_TRUE(raw.done());
  EXPECT_TRUE(pair_.server_done->status.ok()) << pair_.server_done->status;
  EXPECT_EQ(pair_.server_done->version, "TLSv1.2");
  EXPECT_EQ(pair_.server_done->peer->id.text(), kFrontend);
}

TEST_F(RawClientTest, IsRefusedWithTls12Otherwise) {
  Accept();
  auto context = RawContext(mesh_.ca.Leaf(kFrontend));
  SSL_CTX_set_max_proto_version(context.get(), TLS1_2_VERSION);
  RawPeer& raw = Connect(context.get());
  EXPECT_EQ(pair_.server_done->reason, Reason::kProtocolVersion);
  EXPECT_EQ(raw.alert(), SSL_AD_PROTOCOL_VERSION);
}

TEST_F(RawClientTest, GetsTls13AlsoWhereTls12IsAllowed) {
  Accept(MinVersion::kTls12);
  Connect(RawContext(mesh_.ca.Leaf(kFrontend)).get());
  EXPECT_EQ(pair_.server_done->version, "TLSv1.3");
}

TEST_F(RawClientTest, IsRefusedWithoutASharedGroup) {
  Accept();
  auto context = RawContext(mesh_.ca.Leaf(kFrontend));
  const int group = NID_secp384r1;
  SSL_CTX_set1_curves(context.get(), &group, 1);
  Connect(context.get());
  EXPECT_EQ(pair_.server_done->reason, Reason::kNoSharedCipher);
}

TEST_F(RawClientTest, IsRefusedWithoutASharedCipher) {
  Accept(MinVersion::kTls12);
  auto context = RawContext(mesh_.ca.Leaf(kFrontend));
  SSL_CTX_set_max_proto_version(context.get(), TLS1_2_VERSION);
  ASSERT_EQ(SSL_CTX_set_strict_cipher_list(context.get(), "ECDHE-ECDSA-AES128-SHA"), 1);
  Connect(context.get());
  EXPECT_EQ(pair_.server_done->reason, Reason::kNoSharedCipher);
}

int g_tickets = 0;

class TicketTest : public RawClientTest, public testing::WithParamInterface<uint16_t> {};

TEST_P(TicketTest, IsNotGiven) {
  Accept(MinVersion::kTls12);
  auto context = RawContext(mesh_.ca.Leaf(kFrontend));
  SSL_CTX_set_max_proto_version(context.get(), GetParam());
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_CLIENT);
  g_tickets = 0;
  SSL_CTX_sess_set_new_cb(context.get(), [](SSL*, SSL_SESSION* session) {
    if (SSL_SESSION_has_ticket(session) != 0) ++g_tickets;
    return 0;
  });
  RawPeer& raw = Connect(context.get());
  ASSERT_TRUE(pair_.server_done->status.ok());
  ASSERT_EQ(SSL_version(raw.ssl()), GetParam());
  pair_.server->Write("hello");
  ASSERT_TRUE(pair_.Until([&] { return raw.received() == "hello"; }));
  EXPECT_EQ(g_tickets, 0);
  unsigned id_size = 0;
  SSL_SESSION_get_id(SSL_get_session(raw.ssl()), &id_size);
  if (GetParam() == TLS1_2_VERSION) {
    EXPECT_EQ(id_size, 0u);
  }
}

INSTANTIATE_TEST_SUITE_P(Versions, TicketTest, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION));

TEST_F(RawClientTest, IsNeverResumed) {
  // A ticket from a server with the same certificate that does give them.
  auto context = RawContext(mesh_.ca.Leaf(kFrontend));
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_CLIENT);
  static bssl::UniquePtr<SSL_SESSION> session;
  SSL_CTX_sess_set_new_cb(context.get(), [](SSL*, SSL_SESSION* given) {
    session.reset(given);
    return 1;
  });
  {
    net::StreamPair sockets;
    auto giving = RawContext(mesh_.ca.Leaf(kBackend));
    const uint8_t id[] = {1};
    SSL_CTX_set_session_id_context(giving.get(), id, 1);
    RawPeer server(std::move(sockets.server), giving.get(), RawPeer::Side::kServer);
    RawPeer client(std::move(sockets.client), context.get(), RawPeer::Side::kClient);
    client.Start();
    ASSERT_TRUE(sockets.Until([&] { return server.done(); }));
    server.Write("x");  // With the tickets before it.
    ASSERT_TRUE(sockets.Until([&] { return session != nullptr; }));
  }
  Accept();
  RawPeer& raw = Connect(context.get(), session.get());
  ASSERT_TRUE(pair_.server_done->status.ok()) << pair_.server_done->status;
  EXPECT_EQ(SSL_session_reused(raw.ssl()), 0);
  EXPECT_EQ(pair_.server_done->peer->id.text(), kFrontend);
  session.reset();
}

TEST(SelfHandshakeTest, PassesForAGoodIdentity) {
  const Mesh mesh;
  EXPECT_TRUE(SelfHandshake(*mesh.Workload(kBackend)).ok());
  EXPECT_TRUE(SelfHandshake(*mesh.Workload(kBackend, MinVersion::kTls12)).ok());
}

TEST(SelfHandshakeTest, FailsForAnIdentityOutsideTheBundle) {
  const Mesh mesh;
  const Mesh other("other");
  const absl::Status status =
      SelfHandshake(*mesh.Workload(kBackend, MinVersion::kTls13, other.ca.root_pem()));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("handshake of spiffe://cluster.local/ns/shop/sa/backend with itself, as "
                        "client: no root of ours for cluster.local has signed it"));
}

TEST(SelfHandshakeTest, FailsAfterTheCertificateHasEnded) {
  Mesh mesh;
  const auto context = mesh.Workload(kBackend);
  mesh.clock.Advance(absl::Hours(25));
  EXPECT_THAT(std::string(SelfHandshake(*context).message()), HasSubstr("ended at"));
}

TEST(ContextTest, IsSharedByThreads) {
  const Mesh mesh;
  const auto context = mesh.Workload(kBackend);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&context] {
      for (int round = 0; round < 20; ++round) EXPECT_TRUE(SelfHandshake(*context).ok());
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(ContextTest, NeedsItsParts) {
  EXPECT_EQ(Context::Create({}).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace kith::tls
