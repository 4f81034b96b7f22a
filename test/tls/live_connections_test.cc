#include "source/tls/live_connections.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "source/telemetry/reason_status.h"
#include "test/support/temporary_crl.h"
#include "test/tls/tls_pair.h"

namespace kith::tls {
namespace {

using telemetry::Reason;

class LiveConnectionsTest : public testing::Test {
 protected:
  std::shared_ptr<const Context> Serving(const std::vector<test::Credential>& revoked,
                                         absl::Time break_glass_until = absl::InfinitePast()) {
    test::CrlOptions options;
    options.now = mesh_.clock.Now();
    options.revoked = revoked;
    Context::Options context;
    context.bundle = *TrustBundle::Create({{.trust_domain = "cluster.local",
                                            .roots_pem = mesh_.ca.root_pem(),
                                            .crls = {MakeCrl(mesh_.ca.root(), options)}}});
    context.identity = *Identity::Create(server_.chain_pem, *PrivateKey::FromPem(server_.key_pem));
    context.clock = &mesh_.clock;
    context.rules.break_glass_until = break_glass_until;
    return *Context::Create(std::move(context));
  }
  void Shake(std::shared_ptr<const Context> context, TlsPair& pair) {
    TlsStream::ServerOptions server;
    server.context = std::move(context);
    server.live = live_;
    pair.Accept(std::move(server));
    TlsStream::ClientOptions client;
    client.context = mesh_.WorkloadWith(client_);
    client.expected = {Id(kBackend)};
    pair.Connect(std::move(client));
    ASSERT_TRUE(pair.Shake());
  }
  void Connect(std::shared_ptr<const Context> context) {
    Shake(std::move(context), pair_);
    ASSERT_TRUE(pair_.server_done->status.ok()) << pair_.server_done->status;
  }
  std::vector<Reason> Recheck(const Context& newest) {
    std::vector<Reason> reasons;
    live_->Recheck(newest, [&](Reason reason) { reasons.push_back(reason); });
    return reasons;
  }

  Mesh mesh_;
  const test::Credential server_ = mesh_.ca.Leaf(kBackend);
  const test::Credential client_ = mesh_.ca.Leaf(kFrontend);
  const std::shared_ptr<LiveConnections> live_ = std::make_shared<LiveConnections>();
  TlsPair pair_;
};

TEST_F(LiveConnectionsTest, EndsTheConnectionOfAPeerThatIsRevoked) {
  Connect(Serving({}));
  EXPECT_EQ(live_->size(), 1u);
  EXPECT_TRUE(Recheck(*Serving({server_})).empty());
  EXPECT_EQ(Recheck(*Serving({client_})), std::vector<Reason>{Reason::kCertificateRevoked});
  EXPECT_EQ(live_->size(), 0u);
  EXPECT_EQ(pair_.server->close_reason(), Reason::kCertificateRevoked);
  const net::Recorder& server = pair_.sockets.at_server;
  ASSERT_TRUE(server.closed.has_value());
  EXPECT_EQ(telemetry::ReasonOf(*server.closed, Reason::kNone), Reason::kCertificateRevoked);
  EXPECT_THAT(std::string(server.closed->message()), testing::HasSubstr("was revoked by"));
  pair_.client->ResumeReading();
  EXPECT_TRUE(pair_.Until([&] { return pair_.sockets.at_client.closed.has_value(); }));
}

TEST_F(LiveConnectionsTest, EndsWithABreakGlassWhatOnlyThatKeptAlive) {
  const absl::Time until = mesh_.clock.Now() + absl::Hours(48);
  Connect(Serving({}, until));
  EXPECT_TRUE(Recheck(*Serving({})).empty());  // Its certificates are good.
  mesh_.clock.Advance(absl::Hours(25));
  EXPECT_TRUE(Recheck(*Serving({}, until)).empty());
  EXPECT_EQ(Recheck(*Serving({})), std::vector<Reason>{Reason::kConnectionExpired});
}

TEST_F(LiveConnectionsTest, ForgetsAConnectionThatIsGone) {
  Connect(Serving({}));
  pair_.server.reset();
  EXPECT_EQ(live_->size(), 0u);
  EXPECT_TRUE(Recheck(*Serving({client_})).empty());
}

TEST_F(LiveConnectionsTest, KnowsWhoHasShakenHandsButRefusesWhomItNoLongerMay) {
  const std::shared_ptr<const Context> context = Serving({});
  Connect(context);
  EXPECT_EQ(live_->verified().size(), 1u);
  TlsPair known;
  Shake(context, known);
  ASSERT_TRUE(known.server_done->status.ok()) << known.server_done->status;
  EXPECT_EQ(known.server_done->peer->id, Id(kFrontend));
  EXPECT_EQ(live_->verified().size(), 1u);
  TlsPair revoked;
  Shake(Serving({client_}), revoked);
  EXPECT_EQ(revoked.server_done->reason, Reason::kCertificateRevoked);
}

}  // namespace
}  // namespace kith::tls
