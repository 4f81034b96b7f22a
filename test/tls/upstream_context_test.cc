// Servers outside the mesh: which certificates are believed, and which files are usable at all.
#include "source/tls/upstream_context.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pool.h>
#include <openssl/ssl.h>

#include "test/support/manual_clock.h"
#include "test/support/temporary_ca.h"

namespace kith::tls {
namespace {

using telemetry::Reason;
using test::Credential;
using testing::HasSubstr;

class UpstreamContextTest : public testing::Test {
 protected:
  std::shared_ptr<const UpstreamContext> Expecting(std::vector<std::string> names) {
    options_.roots_pem = ca_.root_pem();
    options_.names = std::move(names);
    auto context = UpstreamContext::Create(options_);
    EXPECT_TRUE(context.ok()) << context.status();
    return *std::move(context);
  }

  static PeerVerdict Verify(const UpstreamContext& context, const Credential& leaf) {
    const bssl::UniquePtr<CRYPTO_BUFFER> buffer(
        CRYPTO_BUFFER_new(reinterpret_cast<const uint8_t*>(leaf.certificate_der.data()),
                          leaf.certificate_der.size(), nullptr));
    CRYPTO_BUFFER* chain[] = {buffer.get()};
    return context.Verify(chain);
  }

  Reason ReasonFor(const std::string& name, const test::CertificateOptions& leaf) {
    return Verify(*Expecting({name}), ca_.Leaf(leaf)).reason;
  }

  test::TemporaryCa ca_;
  UpstreamContext::Options options_;
};

TEST_F(UpstreamContextTest, TakesEveryKindOfName) {
  const test::CertificateOptions leaf = {.uri_sans = {"spiffe://td/db"},
                                         .dns_sans = {"db.example", "*.wild.example"},
                                         .ip_sans = {std::string("\x0a\0\0\x07", 4)}};
  for (const char* name :
       {"db.example", "DB.Example", "a.wild.example", "10.0.0.7", "spiffe://td/db"}) {
    EXPECT_EQ(ReasonFor(name, leaf), Reason::kNone) << name;
  }
  for (const char* name : {"example", "x.db.example", "a.b.wild.example", "wild.example",
                           "10.0.0.8", "spiffe://td/d", "spiffe://td/db2"}) {
    EXPECT_EQ(ReasonFor(name, leaf), Reason::kWrongSan) << name;
  }
}

TEST_F(UpstreamContextTest, NeverReadsTheCommonNameOrPartOfAName) {
  EXPECT_EQ(ReasonFor("db.example", {.dns_sans = {"other"}, .common_name = "db.example"}),
            Reason::kWrongSan);
  EXPECT_EQ(ReasonFor("db.example", {.common_name = "db.example"}), Reason::kWrongSan);
  EXPECT_EQ(ReasonFor("db.example", {.dns_sans = {std::string("db.example\0.evil", 16)}}),
            Reason::kWrongSan);
  EXPECT_EQ(ReasonFor("db.example", {.dns_sans = {"d*.example"}}), Reason::kWrongSan);
}

TEST_F(UpstreamContextTest, SaysWhatItExpectedAndGot) {
  const auto verdict =
      Verify(*Expecting({"a.example", "b.example"}), ca_.Leaf({.dns_sans = {"c.example"}}));
  EXPECT_THAT(std::string(verdict.status.message()),
              HasSubstr("expected a.example or b.example, its certificate is for c.example"));
}

TEST_F(UpstreamContextTest, RefusesWhatNoCaOfTheRuleHasSignedOrTimeHasEnded) {
  const auto context = Expecting({"db.example"});
  const test::TemporaryCa other({.name = "other"});
  EXPECT_EQ(Verify(*context, other.Leaf({.dns_sans = {"db.example"}})).reason,
            Reason::kUnknownRoot);
  EXPECT_EQ(Verify(*context, ca_.Leaf({
                                 .dns_sans = {"db.example"},
                                 .not_after = absl::Now() - absl::Hours(1),
                             }))
                .reason,
            Reason::kCertificateExpired);
  EXPECT_EQ(
      Verify(*context, ca_.Leaf({.dns_sans = {"db.example"},
                                 .extended_key_usage = {test::ExtendedKeyUsage::kClientAuth}}))
          .reason,
      Reason::kCertificatePurpose);
}

TEST_F(UpstreamContextTest, LooksAtNothingWhenToldSo) {
  options_.check = ServerCheck::kSkip;
  const auto context = UpstreamContext::Create(options_);
  ASSERT_TRUE(context.ok()) << context.status();
  EXPECT_TRUE(Verify(**context, test::TemporaryCa().Leaf({.dns_sans = {"x"}})).status.ok());
}

TEST_F(UpstreamContextTest, ShowsACertificateThatIsNoSvid) {
  const Credential client = ca_.Leaf({.dns_sans = {"client.example"}});
  options_.certificate_pem = client.certificate_pem;
  options_.key_pem = client.key_pem;
  ASSERT_TRUE(Expecting({"db.example"})->certificate().has_value());
}

TEST_F(UpstreamContextTest, NamesTheFieldThatIsWrong) {
  const Credential client = ca_.Leaf({.dns_sans = {"client.example"}});
  const auto problem = [&](auto change) {
    UpstreamContext::Options options;
    options.roots_pem = ca_.root_pem();
    options.certificate_pem = client.certificate_pem;
    options.key_pem = client.key_pem;
    options.names = {"db.example"};
    change(options);
    return std::string(UpstreamContext::Create(options).status().message());
  };
  using Options = UpstreamContext::Options;
  EXPECT_EQ(problem([](Options&) {}), "");
  EXPECT_THAT(problem([](Options& o) { o.roots_pem = "x"; }), HasSubstr("caCertificates"));
  EXPECT_THAT(problem([&](Options& o) { o.roots_pem = client.certificate_pem; }),
              HasSubstr("caCertificates"));
  EXPECT_THAT(problem([](Options& o) { o.crls = "x"; }), HasSubstr("caCrl"));
  EXPECT_THAT(problem([](Options& o) { o.key_pem = "x"; }), HasSubstr("privateKey"));
  EXPECT_THAT(problem([](Options& o) { o.certificate_pem = "x"; }), HasSubstr("clientCertificate"));
  EXPECT_THAT(problem([](Options& o) { o.key_pem = test::MakeKeyPem(); }),
              HasSubstr("issued for another key"));
  EXPECT_THAT(problem([](Options& o) { o.names.clear(); }), HasSubstr("no name"));
}

}  // namespace
}  // namespace kith::tls
