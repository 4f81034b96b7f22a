// However a certificate authority answers, nothing but a good certificate for the key that was made
// comes to use: more than a thousand bad replies through the source and the manager together.
#include <gtest/gtest.h>

#include <functional>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "source/base/log.h"
#include "source/identity/ca_source.h"
#include "source/identity/manager.h"
#include "source/tls/encoding.h"
#include "test/identity/fake_authority.h"
#include "test/support/manual_clock.h"

namespace kith::identity {
namespace {

using Change = std::function<void(test::CertificateOptions&)>;

constexpr char kId[] = "spiffe://cluster.local/ns/demo/sa/backend";

class BadRepliesTest : public ::testing::Test {
 protected:
  BadRepliesTest() {
    base::SetLogLevel(base::LogLevel::kError);  // A line each would be a thousand.
    source_.Start(*manager_);
    Give(Good());
    EXPECT_EQ(manager_->report().generation, 1u) << manager_->report().last_error;
    serial_ = manager_->context()->identity().leaf().serial;
  }

  Manager::Options ManagerOptions() {
    Manager::Options options;
    options.trust_domain = "cluster.local";
    options.roots_pem = ca_.root_pem();
    options.clock = &clock_;
    return options;
  }
  static std::unique_ptr<event::Loop> MakeLoop() { return *event::Loop::Create(); }

  test::CertificateOptions Options() {
    test::CertificateOptions options;
    options.request_pem = authority_.requests.back().csr_pem;
    options.uri_sans = {kId};
    options.not_before = clock_.Now() - absl::Minutes(2);
    options.not_after = clock_.Now() + absl::Hours(1);
    return options;
  }
  // The chain for the request that waits.
  std::string Good() { return ca_.Leaf(Options()).chain_pem; }
  std::string Bad(const Change& change) {
    test::CertificateOptions options = Options();
    change(options);
    return ca_.Leaf(options).chain_pem;
  }
  void Ask() {
    source_.RotateNow();
    ASSERT_EQ(authority_.waiting(), 1u);
  }
  void Give(const std::string& chain_pem) {
    authority_.Give(SigningReply{chain_pem, ca_.root_pem()});
  }
  void ExpectRefused(const std::string& chain_pem, const std::string& what) {
    const absl::Time before = manager_->report().last_attempt_at;
    clock_.Advance(absl::Milliseconds(1));
    Give(chain_pem);
    ++replies_;
    EXPECT_NE(manager_->report().last_failure, Failure::kNone) << what;
    EXPECT_GT(manager_->report().last_attempt_at, before) << what;
    ASSERT_EQ(manager_->context()->identity().leaf().serial, serial_) << what << " was installed";
  }
  void ExpectRefused(const std::string& what, const Change& change) {
    Ask();
    ExpectRefused(Bad(change), what);
  }

  test::ManualClock clock_{absl::FromUnixSeconds(1'800'000'000)};
  test::TemporaryCa ca_{{.now = clock_.Now(), .intermediate = true}};
  test::TemporaryCa foreign_{{.now = clock_.Now(), .intermediate = true}};
  std::unique_ptr<event::Loop> loop_ = MakeLoop();
  FakeAuthority authority_{clock_};
  std::unique_ptr<Manager> manager_ = *Manager::Create(ManagerOptions());
  CaSource source_{*loop_, authority_, {.id = *base::SpiffeId::Parse(kId), .clock = &clock_}};
  std::string serial_;
  int replies_ = 0;
};

TEST_F(BadRepliesTest, InstallsNoneOfAThousandAndThenAGoodOne) {
  // Cut at every byte. Only the newline at the very end may go.
  Ask();
  const size_t size = Good().size();
  for (size_t cut = 0; cut + 8 < size; ++cut) {
    const std::string chain = Good();
    ExpectRefused(chain.substr(0, std::min(cut, chain.size() - 8)), absl::StrCat("cut at ", cut));
    Ask();
  }
  // One bit flipped in every byte of the leaf.
  const std::string first_leaf = ca_.Leaf(Options()).certificate_der;
  for (size_t at = 0; at < first_leaf.size(); ++at) {
    std::string der = ca_.Leaf(Options()).certificate_der;
    if (at >= der.size()) break;
    der[at] = static_cast<char>(der[at] ^ (1 << (at % 8)));
    ExpectRefused(tls::PemBlock("CERTIFICATE", der) + ca_.issuer().certificate_pem,
                  absl::StrCat("bit flipped in byte ", at));
    Ask();
  }
  // The answer to another request: its key is not the one that was made.
  for (int i = 0; i < 20; ++i) {
    ExpectRefused(Bad([](test::CertificateOptions& options) { options.request_pem.clear(); }),
                  "another key");
    Ask();
  }
  ExpectRefused("", "empty");
  ExpectRefused("other identity", [](auto& options) { options.uri_sans = {}; });
  for (int i = 0; i < 100; ++i) {
    ExpectRefused("other identity", [i](auto& options) {
      options.uri_sans = {absl::StrCat("spiffe://cluster.local/ns/demo/sa/backend", i)};
    });
  }
  for (const char* id : {"spiffe://other.local/ns/demo/sa/backend", "spiffe://cluster.local",
                         "spiffe://cluster.local/ns/demo/sa/backend/", "https://cluster.local/x",
                         "spiffe://cluster.local/ns/Demo/sa/backend", "spiffe://", ""}) {
    ExpectRefused(id, [id](auto& options) { options.uri_sans = {id}; });
  }
  ExpectRefused("two identities", [](auto& options) { options.uri_sans.push_back(kId); });
  ExpectRefused("NUL", [](auto& options) { options.uri_sans[0].push_back('\0'); });
  for (int seconds = 0; seconds < 50; ++seconds) {
    ExpectRefused("expired", [&](auto& options) {
      options.not_after = clock_.Now() - absl::Seconds(seconds);
    });
    ExpectRefused("not yet valid", [&](auto& options) {
      options.not_before = clock_.Now() + absl::Seconds(seconds + 1);
    });
  }
  ExpectRefused("a CA", [](auto& options) { options.ca = true; });
  ExpectRefused("signs certificates",
                [](auto& options) { options.key_usage = {test::KeyUsage::kKeyCertSign}; });
  ExpectRefused("no key usage", [](auto& options) { options.key_usage = {}; });
  ExpectRefused("client only", [](auto& options) {
    options.extended_key_usage = {test::ExtendedKeyUsage::kClientAuth};
  });
  ExpectRefused("code signing", [](auto& options) {
    options.extended_key_usage = {test::ExtendedKeyUsage::kCodeSigning};
  });
  ExpectRefused("critical unknown extension",
                [](auto& options) { options.unknown_critical_extension = true; });
  ExpectRefused("bad signature", [](auto& options) { options.corrupt_signature = true; });

  // Chains that are none.
  Ask();
  ExpectRefused(ca_.Leaf(Options()).certificate_pem, "no intermediate");
  Ask();
  ExpectRefused(ca_.Leaf(Options()).certificate_pem + foreign_.issuer().certificate_pem,
                "another's intermediate");
  Ask();
  ExpectRefused(ca_.issuer().certificate_pem + ca_.Leaf(Options()).certificate_pem, "other order");
  Ask();
  ExpectRefused(foreign_.Leaf(Options()).chain_pem, "a foreign root");
  Ask();
  test::CertificateOptions own = Options();
  own.request_pem.clear();  // Nobody else's key can sign for the requested one.
  ExpectRefused(ca_.SelfSigned(own).certificate_pem, "signed by itself");
  Ask();
  std::string huge = Good();
  while (huge.size() < 10'000'000) huge += ca_.issuer().certificate_pem;
  ExpectRefused(huge, "10 MB of certificates");
  Ask();
  ExpectRefused(Good() + std::string(10'000'000, 'x'), "10 MB of junk");

  EXPECT_GE(replies_, 1000);
  EXPECT_EQ(manager_->report().generation, 1u);
  Ask();
  Give(Good());
  EXPECT_EQ(manager_->report().generation, 2u) << manager_->report().last_error;
}

}  // namespace
}  // namespace kith::identity
