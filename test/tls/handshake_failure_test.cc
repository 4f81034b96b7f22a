// What each side reports, and what its peer is told, when a handshake fails.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ec_key.h>
#include <openssl/ecdsa.h>
#include <openssl/nid.h>
#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "test/tls/raw_peer.h"
#include "test/tls/tls_pair.h"

namespace kith::tls {
namespace {

using telemetry::Reason;
using test::Credential;
using testing::HasSubstr;

struct BadCredential {
  std::string what;
  Credential credential;
  Reason reason;
  int alert;
};

// As the client's or the server's certificate, `id` being the good one.
std::vector<BadCredential> BadCredentials(const Mesh& mesh, const std::string& id) {
  const test::TemporaryCa& ca = mesh.ca;
  const absl::Time now = mesh.clock.Now();
  const test::TemporaryCa other({.now = now, .name = "other"});
  return {
      {"expired", ca.Leaf({.uri_sans = {id}, .not_after = now - absl::Seconds(1)}),
       Reason::kCertificateExpired, SSL_AD_CERTIFICATE_EXPIRED},
      {"not yet valid", ca.Leaf({.uri_sans = {id}, .not_before = now + absl::Seconds(1)}),
       Reason::kCertificateNotYetValid, SSL_AD_CERTIFICATE_EXPIRED},
      {"another root", other.Leaf(id), Reason::kUnknownRoot, SSL_AD_UNKNOWN_CA},
      {"self-signed", ca.SelfSigned({.uri_sans = {id}}), Reason::kUnknownRoot, SSL_AD_UNKNOWN_CA},
      {"no URI name", ca.Leaf({.dns_sans = {"backend"}}), Reason::kBadSpiffeId,
       SSL_AD_BAD_CERTIFICATE},
      {"two URI names", ca.Leaf({.uri_sans = {id, id + "2"}}), Reason::kBadSpiffeId,
       SSL_AD_BAD_CERTIFICATE},
      {"NUL in the name", ca.Leaf({.uri_sans = {id + std::string("\0.evil", 6)}}),
       Reason::kBadSpiffeId, SSL_AD_BAD_CERTIFICATE},
      {"another trust domain", ca.Leaf("spiffe://other.example/ns/shop/sa/backend"),
       Reason::kForeignTrustDomain, SSL_AD_UNKNOWN_CA},
      {"a CA", ca.Leaf({.uri_sans = {id}, .ca = true}), Reason::kCertificatePurpose,
       SSL_AD_UNSUPPORTED_CERTIFICATE},
      {"for signing code",
       ca.Leaf({.uri_sans = {id}, .extended_key_usage = {test::ExtendedKeyUsage::kCodeSigning}}),
       Reason::kCertificatePurpose, SSL_AD_UNSUPPORTED_CERTIFICATE},
      {"a weak key", ca.Leaf({.uri_sans = {id}, .key_type = test::KeyType::kRsa1024}),
       Reason::kWeakKey, SSL_AD_BAD_CERTIFICATE},
      {"a wrong signature", ca.Leaf({.uri_sans = {id}, .corrupt_signature = true}),
       Reason::kBadCertificate, SSL_AD_BAD_CERTIFICATE},
  };
}

void Accept(TlsPair& pair, std::shared_ptr<const Context> context,
            absl::Duration timeout = absl::Seconds(30)) {
  TlsStream::ServerOptions options;
  options.context = std::move(context);
  options.handshake_timeout = timeout;
  pair.Accept(std::move(options));
}

void Connect(TlsPair& pair, std::shared_ptr<const Context> context,
             absl::Duration timeout = absl::Seconds(30)) {
  TlsStream::ClientOptions options;
  options.context = std::move(context);
  options.expected = {Id(kBackend)};
  options.handshake_timeout = timeout;
  pair.Connect(std::move(options));
}

bool ServerDone(TlsPair& pair) {
  return pair.Until([&] { return pair.server_done.has_value(); });
}
bool ClientDone(TlsPair& pair) {
  return pair.Until([&] { return pair.client_done.has_value(); });
}

std::string Message(const absl::optional<HandshakeResult>& result) {
  return std::string(result->status.message());
}

TEST(ServerHandshakeTest, RefusesEveryBadClientCertificateAndSaysWhy) {
  const Mesh mesh;
  const auto context = mesh.Workload(kBackend);
  for (const BadCredential& bad : BadCredentials(mesh, kFrontend)) {
    SCOPED_TRACE(bad.what);
    TlsPair pair;
    const std::string remote = pair.sockets.server->remote().ToString();
    Accept(pair, context);
    auto raw_context = RawContext(bad.credential);
    RawPeer raw(std::move(pair.sockets.client), raw_context.get(), RawPeer::Side::kClient);
    raw.Start();
    ASSERT_TRUE(ServerDone(pair));
    EXPECT_EQ(telemetry::Name(pair.server_done->reason), telemetry::Name(bad.reason));
    EXPECT_FALSE(pair.server_done->status.ok());
    EXPECT_THAT(Message(pair.server_done),
                testing::StartsWith(absl::StrCat("handshake with ", remote, ": ")));
    EXPECT_FALSE(pair.server_done->peer.has_value());
    ASSERT_TRUE(pair.Until([&] { return raw.failed() && raw.transport_ended(); }));
    EXPECT_EQ(raw.alert(), bad.alert);
  }
}

TEST(ClientHandshakeTest, RefusesEveryBadServerCertificateAndSaysWhy) {
  const Mesh mesh;
  const auto context = mesh.Workload(kFrontend);
  for (const BadCredential& bad : BadCredentials(mesh, kBackend)) {
    SCOPED_TRACE(bad.what);
    TlsPair pair;
    const std::string remote = pair.sockets.client->remote().ToString();
    Connect(pair, context);
    auto raw_context = RawContext(bad.credential);
    RawPeer raw(std::move(pair.sockets.server), raw_context.get(), RawPeer::Side::kServer);
    ASSERT_TRUE(ClientDone(pair));
    EXPECT_EQ(telemetry::Name(pair.client_done->reason), telemetry::Name(bad.reason));
    EXPECT_THAT(Message(pair.client_done),
                testing::StartsWith(absl::StrCat("handshake with ", remote, ": ")));
    EXPECT_FALSE(pair.client_done->peer.has_value());
    ASSERT_TRUE(pair.Until([&] { return raw.failed() && raw.transport_ended(); }));
    EXPECT_EQ(raw.alert(), bad.alert);
  }
}

TEST(ServerHandshakeTest, RefusesAClientWithoutACertificate) {
  const Mesh mesh;
  for (uint16_t version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TlsPair pair;
    Accept(pair, mesh.Workload(kBackend, MinVersion::kTls12));
    auto raw_context = RawContext();
    SSL_CTX_set_max_proto_version(raw_context.get(), version);
    RawPeer raw(std::move(pair.sockets.client), raw_context.get(), RawPeer::Side::kClient);
    raw.Start();
    ASSERT_TRUE(ServerDone(pair));
    EXPECT_EQ(pair.server_done->reason, Reason::kNoClientCertificate);
    EXPECT_THAT(Message(pair.server_done), HasSubstr("the client has no certificate"));
    ASSERT_TRUE(pair.Until([&] { return raw.failed(); }));
    EXPECT_EQ(raw.alert(),
              version == TLS1_3_VERSION ? SSL_AD_CERTIFICATE_REQUIRED : SSL_AD_HANDSHAKE_FAILURE);
  }
}

TEST(ClientHandshakeTest, RefusesAServerThatIsAnother) {
  const Mesh mesh;
  TlsPair pair;
  pair.Start(mesh.Workload(kFrontend), mesh.Workload("spiffe://cluster.local/ns/shop/sa/intruder"));
  ASSERT_TRUE(pair.Shake());
  EXPECT_EQ(pair.client_done->reason, Reason::kWrongSan);
  EXPECT_THAT(Message(pair.client_done),
              HasSubstr("expected spiffe://cluster.local/ns/shop/sa/backend, got "
                        "spiffe://cluster.local/ns/shop/sa/intruder"));
  ASSERT_TRUE(pair.client_done->peer.has_value());
  EXPECT_EQ(pair.client_done->peer->id.text(), "spiffe://cluster.local/ns/shop/sa/intruder");
  EXPECT_EQ(pair.server_done->reason, Reason::kAlertReceived);
  EXPECT_THAT(Message(pair.server_done),
              HasSubstr("the peer refused our certificate: bad_certificate"));
}

TEST(ClientHandshakeTest, TellsTheServerWhyItsRootIsUnknown) {
  const Mesh mesh;
  const Mesh other("other");
  TlsPair pair;
  pair.Start(mesh.Workload(kFrontend), other.Workload(kBackend));
  ASSERT_TRUE(pair.Shake());
  EXPECT_EQ(pair.client_done->reason, Reason::kUnknownRoot);
  EXPECT_EQ(pair.server_done->reason, Reason::kAlertReceived);
  EXPECT_THAT(Message(pair.server_done), HasSubstr("the peer refused our certificate: unknown_ca; "
                                                   "does its trust bundle hold our root?"));
}

TEST(ClientHandshakeTest, LearnsAfterwardsThatItWasRefused) {
  const Mesh mesh;
  const Mesh other("other");
  TlsPair pair;
  // The client trusts both roots, the server only its own.
  pair.Start(other.Workload(kFrontend, MinVersion::kTls13, mesh.ca.root_pem()),
             mesh.Workload(kBackend));
  ASSERT_TRUE(pair.Shake());
  EXPECT_EQ(pair.server_done->reason, Reason::kUnknownRoot);
  ASSERT_TRUE(pair.client_done->status.ok());
  pair.client->ResumeReading();
  pair.client->Write("a request on its way");
  ASSERT_TRUE(pair.Until([&] { return pair.sockets.at_client.closed.has_value(); }));
  EXPECT_EQ(pair.sockets.at_client.closed->code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(pair.sockets.at_client.closed->message()),
              HasSubstr("the peer refused our certificate: unknown_ca"));
  EXPECT_EQ(pair.client->close_reason(), Reason::kAlertReceived);
  EXPECT_EQ(pair.sockets.at_client.ends, 0);
}

// Signs with another key than the certificate's: who has only copied a certificate can do no
// better.
ssl_private_key_result_t SignWithAnotherKey(SSL*, uint8_t* out, size_t* out_size, size_t max,
                                            uint16_t, const uint8_t* in, size_t in_size) {
  bssl::UniquePtr<EC_KEY> key(EC_KEY_new_by_curve_name(NID_X9_62_prime256v1));
  EC_KEY_generate_key(key.get());
  uint8_t digest[SHA256_DIGEST_LENGTH];
  SHA256(in, in_size, digest);
  unsigned size = 0;
  if (max < ECDSA_size(key.get()) ||
      ECDSA_sign(0, digest, sizeof digest, out, &size, key.get()) != 1) {
    return ssl_private_key_failure;
  }
  *out_size = size;
  return ssl_private_key_success;
}
constexpr SSL_PRIVATE_KEY_METHOD kAnotherKey = {
    &SignWithAnotherKey, nullptr,
    [](SSL*, uint8_t*, size_t*, size_t) { return ssl_private_key_failure; }};

TEST(ServerHandshakeTest, RefusesACopiedCertificate) {
  const Mesh mesh;
  TlsPair pair;
  Accept(pair, mesh.Workload(kBackend));
  auto raw_context = RawContext(mesh.ca.Leaf(kFrontend));
  SSL_CTX_set_private_key_method(raw_context.get(), &kAnotherKey);
  RawPeer raw(std::move(pair.sockets.client), raw_context.get(), RawPeer::Side::kClient);
  raw.Start();
  ASSERT_TRUE(ServerDone(pair));
  EXPECT_EQ(pair.server_done->reason, Reason::kBadCertificate);
  EXPECT_THAT(Message(pair.server_done), HasSubstr("bad signature"));
}

TEST(ClientHandshakeTest, RefusesACopiedCertificate) {
  const Mesh mesh;
  TlsPair pair;
  Connect(pair, mesh.Workload(kFrontend));
  auto raw_context = RawContext(mesh.ca.Leaf(kBackend));
  SSL_CTX_set_private_key_method(raw_context.get(), &kAnotherKey);
  RawPeer raw(std::move(pair.sockets.server), raw_context.get(), RawPeer::Side::kServer);
  ASSERT_TRUE(ClientDone(pair));
  EXPECT_EQ(pair.client_done->reason, Reason::kBadCertificate);
}

TEST(ServerHandshakeTest, TellsWhatIsNotTls) {
  const Mesh mesh;
  const auto context = mesh.Workload(kBackend);
  std::string noise(2000, '\0');
  for (size_t i = 0; i < noise.size(); ++i) noise[i] = static_cast<char>(i * 167 + 13);
  for (const std::string& bytes : {std::string("GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
                                   std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), noise,
                                   std::string("\x16\x03\x01\x00\x05hello", 10),
                                   std::string("\x17\x03\x03\x00\x05hello", 10)}) {
    SCOPED_TRACE(bytes.substr(0, 20));
    TlsPair pair;
    Accept(pair, context);
    pair.sockets.client->ResumeReading();
    pair.sockets.client->Write(bytes);
    ASSERT_TRUE(ServerDone(pair));
    EXPECT_EQ(telemetry::Name(pair.server_done->reason), "not_tls");
    ASSERT_TRUE(pair.Until([&] { return pair.sockets.at_client.ends == 1; }));
  }
}

TEST(ClientHandshakeTest, TellsWhatIsNotTls) {
  const Mesh mesh;
  TlsPair pair;
  Connect(pair, mesh.Workload(kFrontend));
  pair.sockets.server->ResumeReading();
  pair.sockets.server->Write("HTTP/1.1 400 Bad Request\r\n\r\n");
  ASSERT_TRUE(ClientDone(pair));
  EXPECT_EQ(pair.client_done->reason, Reason::kNotTls);
  EXPECT_THAT(Message(pair.client_done), HasSubstr("does it speak plaintext?"));
}

TEST(ServerHandshakeTest, TimesOut) {
  const Mesh mesh;
  TlsPair pair;
  Accept(pair, mesh.Workload(kBackend), absl::Milliseconds(20));
  pair.sockets.client->ResumeReading();
  pair.sockets.client->Write(absl::string_view("\x16\x03\x01", 3));
  ASSERT_TRUE(ServerDone(pair));
  EXPECT_EQ(pair.server_done->reason, Reason::kHandshakeTimeout);
  EXPECT_EQ(pair.server_done->status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(Message(pair.server_done), HasSubstr("not done after 20ms, 3 bytes received"));
  ASSERT_TRUE(pair.Until([&] { return pair.sockets.at_client.ends == 1; }));
}

TEST(ClientHandshakeTest, TimesOut) {
  const Mesh mesh;
  TlsPair pair;
  Connect(pair, mesh.Workload(kFrontend), absl::Milliseconds(20));
  ASSERT_TRUE(ClientDone(pair));
  EXPECT_EQ(pair.client_done->reason, Reason::kHandshakeTimeout);
}

TEST(ServerHandshakeTest, ReportsAClientThatGoesAway) {
  const Mesh mesh;
  TlsPair pair;
  Accept(pair, mesh.Workload(kBackend));
  pair.sockets.client->Write(absl::string_view("\x16\x03\x01", 3));
  pair.sockets.client->CloseAfterFlush();
  ASSERT_TRUE(ServerDone(pair));
  EXPECT_EQ(pair.server_done->reason, Reason::kPeerClosed);
  EXPECT_THAT(Message(pair.server_done), HasSubstr("closed the connection after 3 bytes"));
}

TEST(ServerHandshakeTest, ReportsAClientThatResets) {
  const Mesh mesh;
  TlsPair pair;
  Accept(pair, mesh.Workload(kBackend));
  pair.sockets.client->Reset();
  ASSERT_TRUE(ServerDone(pair));
  EXPECT_EQ(pair.server_done->reason, Reason::kPeerClosed);
  EXPECT_THAT(Message(pair.server_done), HasSubstr("connection reset by peer"));
}

TEST(ClientHandshakeTest, ReportsAServerThatGoesAway) {
  const Mesh mesh;
  TlsPair pair;
  Connect(pair, mesh.Workload(kFrontend));
  pair.sockets.server->CloseAfterFlush();
  ASSERT_TRUE(ClientDone(pair));
  EXPECT_EQ(pair.client_done->reason, Reason::kPeerClosed);
}

TEST(ClientHandshakeTest, NamesAnAlert) {
  const Mesh mesh;
  TlsPair pair;
  Connect(pair, mesh.Workload(kFrontend));
  pair.sockets.server->ResumeReading();
  pair.sockets.server->Write(absl::string_view("\x15\x03\x03\x00\x02\x02\x28", 7));
  ASSERT_TRUE(ClientDone(pair));
  EXPECT_EQ(pair.client_done->reason, Reason::kAlertReceived);
  EXPECT_THAT(Message(pair.client_done), HasSubstr("handshake_failure; does it allow TLS 1.3"));
}

TEST(ClientHandshakeTest, RefusesAServerOfTls12) {
  const Mesh mesh;
  TlsPair pair;
  Connect(pair, mesh.Workload(kFrontend));
  auto raw_context = RawContext(mesh.ca.Leaf(kBackend));
  SSL_CTX_set_max_proto_version(raw_context.get(), TLS1_2_VERSION);
  RawPeer raw(std::move(pair.sockets.server), raw_context.get(), RawPeer::Side::kServer);
  ASSERT_TRUE(ClientDone(pair));
  // The server gives up first: it is not offered what it speaks.
  EXPECT_EQ(pair.client_done->reason, Reason::kAlertReceived);
  EXPECT_THAT(Message(pair.client_done), HasSubstr("protocol_version; does it allow TLS 1.3?"));
}

TEST(ServerHandshakeTest, LeavesNothingBehindAfterAFailure) {
  const Mesh mesh;
  TlsPair pair;
  Accept(pair, mesh.Workload(kBackend));
  pair.sockets.client->ResumeReading();
  pair.sockets.client->Write(std::string(100000, 'x'));
  ASSERT_TRUE(ServerDone(pair));
  pair.server.reset();
  ASSERT_TRUE(pair.Until([&] {
    return pair.sockets.at_client.ends == 1 || pair.sockets.at_client.closed.has_value();
  }));
  pair.sockets.client.reset();
  pair.sockets.Pass();
  EXPECT_EQ(pair.sockets.loop->blocks().outstanding(), 0u);
}

}  // namespace
}  // namespace kith::tls
