// What an OCSP response does to the verdict on a peer, by revocation mode; that one side's staple
// reaches the other in a handshake, and that a handshake waits for the word of a responder.
#include "source/tls/ocsp_word.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pool.h>
#include <openssl/ssl.h>

#include "source/tls/context.h"
#include "source/tls/peer.h"
#include "source/tls/responders.h"
#include "test/support/ocsp_authority.h"
#include "test/tls/tls_pair.h"

namespace kith::tls {
namespace {

using telemetry::Reason;
using test::OcspAuthority;
using ::testing::HasSubstr;

constexpr char kBackendId[] = "spiffe://cluster.local/ns/shop/sa/backend";

class OcspWordTest : public testing::Test {
 protected:
  OcspWordTest() {
    bundle_ = *TrustBundle::Create({{"cluster.local", ca_.pem()}});
    mesh_leaf_ = ca_.Issue(kBackendId);
    outside_leaf_ = ca_.Issue("db.example");
  }

  static bssl::UniquePtr<CRYPTO_BUFFER> Buffer(const OcspAuthority::Leaf& leaf) {
    return bssl::UniquePtr<CRYPTO_BUFFER>(CRYPTO_BUFFER_new(
        reinterpret_cast<const uint8_t*>(leaf.der.data()), leaf.der.size(), nullptr));
  }
  static PeerRules Rules(RevocationMode mode) {
    PeerRules rules;
    rules.revocation = mode;
    return rules;
  }
  PeerVerdict Judged(PeerVerdict verdict, RevocationMode mode, const std::string& staple) const {
    const PeerRules rules = Rules(mode);
    const OcspWord word =
        ReadOcspWord(staple, "the stapled response", LeafToJudge(verdict, rules), now_);
    ApplyOcspWord(word, *bundle_, now_, rules, verdict);
    return verdict;
  }
  PeerVerdict Peer(RevocationMode mode, const std::string& staple) {
    const auto buffer = Buffer(mesh_leaf_);
    CRYPTO_BUFFER* chain[] = {buffer.get()};
    return Judged(VerifyPeer(chain, PeerRole::kServer, *bundle_, now_, Rules(mode)), mode, staple);
  }
  PeerVerdict Server(RevocationMode mode, const std::string& staple) {
    const auto buffer = Buffer(outside_leaf_);
    CRYPTO_BUFFER* chain[] = {buffer.get()};
    const std::string names[] = {"db.example"};
    return Judged(VerifyServer(chain, names, *bundle_, now_, Rules(mode)), mode, staple);
  }
  const X509& mesh() const { return *mesh_leaf_.certificate; }
  const X509& outside() const { return *outside_leaf_.certificate; }

  const absl::Time now_ = absl::FromUnixSeconds(absl::ToUnixSeconds(absl::Now()));
  const x509::OcspTimes times_ = {now_, now_ - absl::Minutes(1), now_ + absl::Hours(1)};
  const x509::OcspTimes ended_ = {now_, now_ - absl::Hours(2), now_ - absl::Hours(1)};
  OcspAuthority ca_{now_};
  OcspAuthority stranger_{now_, "stranger"};
  std::shared_ptr<const TrustBundle> bundle_;
  OcspAuthority::Leaf mesh_leaf_;
  OcspAuthority::Leaf outside_leaf_;
};

TEST_F(OcspWordTest, RefusesARevokedServerUnlessRevocationIsOff) {
  for (const RevocationMode mode : {RevocationMode::kSoft, RevocationMode::kHard}) {
    const auto peer = Peer(mode, ca_.Revoked(mesh(), times_));
    EXPECT_EQ(telemetry::Name(peer.reason), telemetry::Name(Reason::kCertificateRevoked));
    EXPECT_THAT(std::string(peer.status.message()), HasSubstr("says the stapled response"));
    EXPECT_EQ(peer.alert, SSL_AD_CERTIFICATE_REVOKED);
    EXPECT_EQ(Server(mode, ca_.Revoked(outside(), times_)).reason, Reason::kCertificateRevoked);
    EXPECT_EQ(Server(mode, ca_.Revoked(outside(), ended_)).reason, Reason::kCertificateRevoked);
  }
  EXPECT_EQ(Peer(RevocationMode::kOff, ca_.Revoked(mesh(), times_)).reason, Reason::kNone);
}

TEST_F(OcspWordTest, NeedsNoListWhereRevocationIsHard) {
  EXPECT_EQ(Server(RevocationMode::kHard, "").reason, Reason::kRevocationUnknown);
  EXPECT_EQ(Server(RevocationMode::kHard, ca_.Good(outside(), times_)).reason, Reason::kNone);
  EXPECT_EQ(Peer(RevocationMode::kHard, ca_.Good(mesh(), times_)).reason, Reason::kNone);
}

TEST_F(OcspWordTest, CountsAResponseThatCannotBeBelievedAsNone) {
  const std::string forged =
      ca_.Respond(outside(), {.status = x509::CertificateStatus::kGood}, times_, stranger_);
  const std::string unknown = ca_.Respond(outside(), {}, times_, ca_);
  const std::string another = ca_.Good(mesh(), times_);
  for (const auto& [staple, detail] : std::vector<std::pair<std::string, const char*>>{
           {forged, "signed neither"},
           {unknown, "does not know it"},
           {another, "does not speak of"},
           {ca_.Good(outside(), ended_), "not in force"},
           {"garbage", "not a valid OCSP response"},
           {std::string(100'000, '0'), "not a valid OCSP response"}}) {
    EXPECT_EQ(Server(RevocationMode::kSoft, staple).reason, Reason::kNone) << detail;
    const auto hard = Server(RevocationMode::kHard, staple);
    EXPECT_EQ(telemetry::Name(hard.reason), telemetry::Name(Reason::kRevocationUnknown));
    EXPECT_THAT(std::string(hard.status.message()), HasSubstr(detail));
  }
}

TEST_F(OcspWordTest, DoesNotSpeakForWhatIsWrongOtherwise) {
  const auto buffer = Buffer(outside_leaf_);
  CRYPTO_BUFFER* chain[] = {buffer.get()};
  const std::string names[] = {"other.example"};
  const PeerRules hard = Rules(RevocationMode::kHard);
  const PeerVerdict verdict = Judged(VerifyServer(chain, names, *bundle_, now_, hard),
                                     RevocationMode::kHard, ca_.Good(outside(), times_));
  EXPECT_EQ(telemetry::Name(verdict.reason), telemetry::Name(Reason::kWrongSan));
}

class StapledHandshakeTest : public OcspWordTest {
 protected:
  std::shared_ptr<const Context> MakeContext(const OcspAuthority::Leaf& leaf,
                                             std::string response = "") {
    Context::Options options;
    options.identity = *Identity::Create(leaf.pem, *PrivateKey::FromPem(leaf.key_pem));
    options.bundle = bundle_;
    options.ocsp_response = std::move(response);
    return *Context::Create(std::move(options));
  }
  // As the client saw the server.
  Reason Shake(std::string response, RevocationMode mode) {
    Context::Options client;
    const auto leaf = ca_.Issue("spiffe://cluster.local/ns/shop/sa/frontend");
    client.identity = *Identity::Create(leaf.pem, *PrivateKey::FromPem(leaf.key_pem));
    client.bundle = bundle_;
    client.rules.peer.revocation = mode;
    TlsPair pair;
    TlsStream::ServerOptions as_server;
    as_server.context = MakeContext(mesh_leaf_, std::move(response));
    TlsStream::ClientOptions as_client;
    as_client.context = *Context::Create(std::move(client));
    as_client.expected = {*base::SpiffeId::Parse(kBackendId)};
    pair.Accept(std::move(as_server));
    pair.Connect(std::move(as_client));
    EXPECT_TRUE(pair.Until([&] { return pair.client_done.has_value(); }));
    return pair.client_done->reason;
  }
};

TEST_F(StapledHandshakeTest, GivesTheClientWhatTheServerStaples) {
  EXPECT_EQ(Shake(ca_.Good(mesh(), times_), RevocationMode::kSoft), Reason::kNone);
  EXPECT_EQ(Shake(ca_.Revoked(mesh(), times_), RevocationMode::kSoft), Reason::kCertificateRevoked);
  EXPECT_EQ(Shake("", RevocationMode::kSoft), Reason::kNone);
}

TEST_F(StapledHandshakeTest, IsFoundGoodByItselfWhateverItStaples) {
  EXPECT_TRUE(SelfHandshake(*MakeContext(mesh_leaf_, ca_.Revoked(mesh(), times_))).ok());
}

// Notes what is asked, and answers when the test says so.
class FakeResponders final : public Responders {
 public:
  std::shared_ptr<const Answer> Find(const Question&) override { return known; }
  std::unique_ptr<Waiting> Ask(const Question& question, event::Loop&, Done done) override {
    ++asked;
    url = question.url;
    done_ = std::move(done);
    return std::make_unique<Waiting>();
  }
  void Say(Answer answer) {
    Done done = std::move(done_);
    done(std::make_shared<const Answer>(std::move(answer)));
  }

  std::shared_ptr<const Answer> known;
  int asked = 0;
  std::string url;

 private:
  Done done_;
};

constexpr char kPartnerId[] = "spiffe://partner.example/ns/shop/sa/backend";
constexpr char kUrl[] = "http://ocsp.partner.example/";

// A client that connects to a server outside its mesh, which staples nothing unless told to.
class AskedHandshakeTest : public StapledHandshakeTest {
 protected:
  AskedHandshakeTest() : partner_(ca_.Issue(kPartnerId, {kUrl})) {
    bundle_ = *TrustBundle::Create({{"cluster.local", ca_.pem()}, {"partner.example", ca_.pem()}});
  }
  // By TLS origination.
  void Originate(RevocationMode mode, const OcspAuthority::Leaf& server, std::string staple = "") {
    UpstreamContext::Options options;
    options.roots_pem = ca_.pem();
    options.names = {kPartnerId};
    options.revocation = mode;
    options.responders = &responders_;
    TlsStream::ClientOptions as_client;
    as_client.upstream = *UpstreamContext::Create(options);
    Begin(server, std::move(staple), std::move(as_client));
  }
  // To a workload of a federated trust domain, or of its own.
  void Federate(RevocationMode mode, const OcspAuthority::Leaf& server, absl::string_view id) {
    Context::Options options;
    const auto leaf = ca_.Issue("spiffe://cluster.local/ns/shop/sa/frontend");
    options.identity = *Identity::Create(leaf.pem, *PrivateKey::FromPem(leaf.key_pem));
    options.bundle = bundle_;
    options.rules.peer.revocation = mode;
    options.responders = &responders_;
    TlsStream::ClientOptions as_client;
    as_client.context = *Context::Create(std::move(options));
    as_client.expected = {*base::SpiffeId::Parse(id)};
    Begin(server, "", std::move(as_client));
  }
  void Begin(const OcspAuthority::Leaf& server, std::string staple,
             TlsStream::ClientOptions as_client) {
    pair_ = std::make_unique<TlsPair>();
    TlsStream::ServerOptions as_server;
    as_server.context = MakeContext(server, std::move(staple));
    as_server.client_certificate = ClientCertificate::kWant;
    pair_->Accept(std::move(as_server));
    pair_->Connect(std::move(as_client));
  }
  void AwaitQuestion(int number = 1) {
    ASSERT_TRUE(pair_->Until([&] { return responders_.asked == number; }));
    EXPECT_EQ(responders_.url, kUrl);
    EXPECT_FALSE(pair_->client_done.has_value());
  }
  HandshakeResult Outcome() {
    EXPECT_TRUE(pair_->Until([&] { return pair_->client_done.has_value(); }));
    return *pair_->client_done;
  }
  HandshakeResult After(Responders::Answer answer) {
    responders_.Say(std::move(answer));
    return Outcome();
  }
  std::string Good() const { return ca_.Good(*partner_.certificate, times_); }
  std::string Revoked() const { return ca_.Revoked(*partner_.certificate, times_); }

  const OcspAuthority::Leaf partner_;
  FakeResponders responders_;
  std::unique_ptr<TlsPair> pair_;
};

TEST_F(AskedHandshakeTest, WaitsForTheWordOfAResponder) {
  for (const RevocationMode mode : {RevocationMode::kSoft, RevocationMode::kHard}) {
    responders_.asked = 0;
    Originate(mode, partner_);
    AwaitQuestion();
    EXPECT_EQ(After({Good(), ""}).reason, Reason::kNone);
    Federate(mode, partner_, kPartnerId);
    AwaitQuestion(2);
    const HandshakeResult federated = After({Good(), ""});
    EXPECT_EQ(federated.reason, Reason::kNone) << federated.status;
    EXPECT_EQ(federated.peer->issuer, nullptr) << "of no use after the handshake";
    EXPECT_EQ(responders_.asked, 2);
  }
}

TEST_F(AskedHandshakeTest, RefusesWhatTheResponderHasRevoked) {
  for (const RevocationMode mode : {RevocationMode::kSoft, RevocationMode::kHard}) {
    responders_.asked = 0;
    Originate(mode, partner_);
    AwaitQuestion();
    const HandshakeResult refused = After({Revoked(), ""});
    EXPECT_EQ(telemetry::Name(refused.reason), telemetry::Name(Reason::kCertificateRevoked));
    EXPECT_THAT(std::string(refused.status.message()), HasSubstr("of its OCSP responder"));
    Federate(mode, partner_, kPartnerId);
    AwaitQuestion(2);
    EXPECT_EQ(After({Revoked(), ""}).reason, Reason::kCertificateRevoked);
  }
}

TEST_F(AskedHandshakeTest, PassesSoftAndRefusesHardWithoutAnAnswer) {
  const std::string forged = ca_.Respond(
      *partner_.certificate, {.status = x509::CertificateStatus::kGood}, times_, stranger_);
  for (const Responders::Answer& answer : {Responders::Answer{"", "gone"}, {forged, ""}}) {
    responders_.asked = 0;
    Originate(RevocationMode::kSoft, partner_);
    AwaitQuestion();
    EXPECT_EQ(After(answer).reason, Reason::kNone);
    Originate(RevocationMode::kHard, partner_);
    AwaitQuestion(2);
    const HandshakeResult refused = After(answer);
    EXPECT_EQ(telemetry::Name(refused.reason), telemetry::Name(Reason::kRevocationUnknown));
    EXPECT_THAT(std::string(refused.status.message()), HasSubstr("OCSP responder"));
  }
}

TEST_F(AskedHandshakeTest, AsksNobodyWhereTheAnswerIsKnownOrNotNeeded) {
  Originate(RevocationMode::kHard, partner_, Good());
  EXPECT_EQ(Outcome().reason, Reason::kNone) << "stapled";
  Originate(RevocationMode::kOff, partner_);
  EXPECT_EQ(Outcome().reason, Reason::kNone) << "off";
  Originate(RevocationMode::kSoft, ca_.Issue(kPartnerId));
  EXPECT_EQ(Outcome().reason, Reason::kNone) << "names none";
  Federate(RevocationMode::kSoft, ca_.Issue(kBackendId, {kUrl}), kBackendId);
  EXPECT_EQ(Outcome().reason, Reason::kNone) << "one of the mesh";
  Originate(RevocationMode::kSoft, stranger_.Issue(kPartnerId, {kUrl}));
  EXPECT_EQ(Outcome().reason, Reason::kUnknownRoot) << "unverified";
  responders_.known = std::make_shared<const Responders::Answer>(Responders::Answer{Revoked(), ""});
  Originate(RevocationMode::kSoft, partner_);
  EXPECT_EQ(Outcome().reason, Reason::kCertificateRevoked) << "remembered";
  EXPECT_EQ(responders_.asked, 0);
}

TEST_F(AskedHandshakeTest, CanBeAbandonedWhileItWaits) {
  Originate(RevocationMode::kSoft, partner_);
  AwaitQuestion();
  pair_->client->Reset();
  EXPECT_TRUE(pair_->Until([&] { return pair_->server_done.has_value(); }));
  EXPECT_FALSE(pair_->client_done.has_value());
}

}  // namespace
}  // namespace kith::tls
