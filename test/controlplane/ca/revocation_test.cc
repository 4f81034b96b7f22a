// Ledger, revocation list and publisher together, as a control plane has them.
#include <gmock/gmock.h>
#include <openssl/x509.h>

#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "source/controlplane/ca/crl_publisher.h"
#include "source/controlplane/ca/issued_ledger.h"
#include "source/controlplane/ca/refusal.h"
#include "source/controlplane/ca/revocation_list.h"
#include "source/event/loop.h"
#include "test/controlplane/ca/fixture.h"
#include "test/support/temporary_ca.h"

namespace kith::controlplane {
namespace {

using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;
using x509::RevocationReason;

constexpr char kBackend[] = "spiffe://cluster.local/ns/demo/sa/backend";
constexpr char kOther[] = "spiffe://cluster.local/ns/demo/sa/other";

std::set<std::string> SerialsIn(const std::string& der) {
  const uint8_t* cursor = reinterpret_cast<const uint8_t*>(der.data());
  bssl::UniquePtr<X509_CRL> crl(d2i_X509_CRL(nullptr, &cursor, static_cast<long>(der.size())));
  std::set<std::string> serials;
  STACK_OF(X509_REVOKED)* revoked = X509_CRL_get_REVOKED(crl.get());
  for (size_t i = 0; revoked != nullptr && i < sk_X509_REVOKED_num(revoked); i++) {
    const ASN1_INTEGER* serial = X509_REVOKED_get0_serialNumber(sk_X509_REVOKED_value(revoked, i));
    serials.insert(absl::BytesToHexString(absl::string_view(
        reinterpret_cast<const char*>(ASN1_STRING_get0_data(serial)), ASN1_STRING_length(serial))));
  }
  return serials;
}

class RevocationTest : public CaFixture {
 protected:
  RevocationTest() : loop_(*event::Loop::Create()) { Start(); }
  ~RevocationTest() override { Stop(); }

  void Start() {
    audit_.reset();
    ledger_ = std::make_unique<IssuedLedger>();
    auto audit = AuditLog::Open({.state = state_.get(), .clock = &clock_, .ledger = ledger_.get()});
    ASSERT_TRUE(audit.ok()) << audit.status();
    audit_ = *std::move(audit);
    ASSERT_TRUE(ledger_->Restore(audit_->path(), clock_.Now()).ok());
    auto list = RevocationList::Open(
        {.state = state_.get(), .audit = audit_.get(), .ledger = ledger_.get(), .clock = &clock_});
    ASSERT_TRUE(list.ok()) << list.status();
    list_ = *std::move(list);
    authority_ = MakeAuthority();
    auto publisher = CrlPublisher::Create({.loop = loop_.get(),
                                           .state = state_.get(),
                                           .revocations = list_.get(),
                                           .signers = [this] { return authority_->signers(); },
                                           .published =
                                               [this](const std::vector<PublishedCrl>& crls) {
                                                 published_.push_back(crls.front().der);
                                               },
                                           .clock = &clock_});
    ASSERT_TRUE(publisher.ok()) << publisher.status();
    publisher_ = *std::move(publisher);
  }
  void Stop() {
    publisher_.reset();
    list_.reset();
    authority_.reset();
    audit_.reset();
  }
  void Restart() {
    Stop();
    Start();
  }

  std::string Issue(const char* id) {
    auto issued = authority_->IssueLeaf(*base::SpiffeId::Parse(id), test::MakeRequestPem({}),
                                        absl::Hours(1), {});
    EXPECT_TRUE(issued.ok()) << issued.status();
    return issued->serial;
  }

  std::unique_ptr<event::Loop> loop_;
  std::unique_ptr<IssuedLedger> ledger_;
  std::unique_ptr<RevocationList> list_;
  std::unique_ptr<CertificateAuthority> authority_;
  std::unique_ptr<CrlPublisher> publisher_;
  std::vector<std::string> published_;
};

TEST_F(RevocationTest, PublishesARevokedSerialUntilTheCertificateEnds) {
  const std::string serial = Issue(kBackend);
  EXPECT_EQ(SerialsIn(published_.back()), std::set<std::string>{});
  const uint64_t before = publisher_->number();
  const auto revoked = list_->RevokeSerial(serial, RevocationReason::kKeyCompromise, "test");
  ASSERT_TRUE(revoked.ok()) << revoked.status();
  EXPECT_EQ(revoked->principal, kBackend);
  ASSERT_TRUE(publisher_->Update().ok());
  EXPECT_EQ(SerialsIn(published_.back()), std::set<std::string>{serial});
  EXPECT_GT(publisher_->number(), before);
  clock_.Advance(absl::Hours(13));
  ASSERT_TRUE(publisher_->Update().ok());
  EXPECT_EQ(SerialsIn(published_.back()), std::set<std::string>{});
}

TEST_F(RevocationTest, TakesSerialsAsPeopleCopyThem) {
  const std::string serial = Issue(kBackend);
  std::string typed;
  for (size_t i = 0; i < serial.size(); i += 2) {
    absl::StrAppend(&typed, i == 0 ? "" : ":", absl::AsciiStrToUpper(serial.substr(i, 2)));
  }
  const auto revoked = list_->RevokeSerial(typed, RevocationReason::kUnspecified, "test");
  ASSERT_TRUE(revoked.ok()) << revoked.status();
  EXPECT_EQ(revoked->serial, serial);
}

TEST_F(RevocationTest, RefusesSerialsItNeverIssued) {
  EXPECT_TRUE(absl::IsNotFound(
      list_->RevokeSerial("0a0b", RevocationReason::kUnspecified, "test").status()));
  for (const char* bad : {"", "xyz", "abc", "00112233445566778899aabbccddeeff0011223344"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(
        list_->RevokeSerial(bad, RevocationReason::kUnspecified, "test").status()))
        << bad;
  }
}

TEST_F(RevocationTest, RevokesAPrincipalWithAllItsCertificatesAndNobodyElse) {
  const std::string first = Issue(kBackend);
  const std::string second = Issue(kBackend);
  Issue(kOther);
  const auto revoked = list_->RevokePrincipal(kBackend, RevocationReason::kSuperseded, "test");
  ASSERT_TRUE(revoked.ok()) << revoked.status();
  std::vector<std::string> serials;
  for (const Revocation& each : *revoked) serials.push_back(each.serial);
  EXPECT_THAT(serials, UnorderedElementsAre(first, second));
  const absl::Status refused = list_->CheckPrincipal(kBackend);
  EXPECT_EQ(RefusalOf(refused), Refusal::kRevoked);
  EXPECT_THAT(refused.message(), HasSubstr("kithctl ca unrevoke"));
  EXPECT_TRUE(list_->CheckPrincipal(kOther).ok());
  ASSERT_TRUE(list_->UnrevokePrincipal(kBackend, "test").ok());
  EXPECT_TRUE(list_->CheckPrincipal(kBackend).ok());
  EXPECT_TRUE(list_->Find(first).has_value());
  EXPECT_TRUE(absl::IsNotFound(list_->UnrevokePrincipal(kBackend, "test")));
}

TEST_F(RevocationTest, RemembersEverythingOverARestart) {
  const std::string serial = Issue(kBackend);
  const std::string later = Issue(kOther);
  ASSERT_TRUE(list_->RevokePrincipal(kBackend, RevocationReason::kUnspecified, "test").ok());
  ASSERT_TRUE(publisher_->Update().ok());
  const std::string crl = published_.back();
  const uint64_t number = publisher_->number();
  Restart();
  // The very same list: sidecars get no new bundle.
  EXPECT_EQ(published_.back(), crl);
  EXPECT_EQ(publisher_->number(), number);
  EXPECT_FALSE(list_->CheckPrincipal(kBackend).ok());
  EXPECT_TRUE(list_->Find(serial).has_value());
  EXPECT_EQ(ledger_->size(), 2u);
  ASSERT_TRUE(list_->RevokeSerial(later, RevocationReason::kUnspecified, "test").ok());
}

TEST_F(RevocationTest, PublishesAfterARestartWhatACrashKeptBack) {
  const std::string serial = Issue(kBackend);
  ASSERT_TRUE(list_->RevokeSerial(serial, RevocationReason::kUnspecified, "test").ok());
  Restart();
  EXPECT_EQ(SerialsIn(published_.back()), std::set<std::string>{serial});
}

TEST_F(RevocationTest, SignsANewListAtHalfOfItsLifetimeAndNotBefore) {
  const uint64_t number = publisher_->number();
  clock_.Advance(absl::Hours(11));
  ASSERT_TRUE(publisher_->Update().ok());
  EXPECT_EQ(publisher_->number(), number);
  clock_.Advance(absl::Hours(2));
  ASSERT_TRUE(publisher_->Update().ok());
  EXPECT_EQ(publisher_->number(), number + 1);
}

TEST_F(RevocationTest, AuditsWhoWasRevoked) {
  const std::string serial = Issue(kBackend);
  ASSERT_TRUE(list_->RevokePrincipal(kBackend, RevocationReason::kKeyCompromise, "me").ok());
  ASSERT_TRUE(list_->UnrevokePrincipal(kBackend, "me").ok());
  const auto lines = AuditLines();
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(lines[1]["event"], "revocation");
  EXPECT_EQ(lines[1]["decision"], "revoked");
  EXPECT_EQ(lines[1]["spiffe_id"], kBackend);
  EXPECT_EQ(lines[1]["detail"], "keyCompromise");
  EXPECT_EQ(lines[2]["serial"], serial);
  EXPECT_EQ(lines[3]["event"], "unrevocation");
}

TEST_F(RevocationTest, ChangesNothingWhenTheDiskIsFull) {
  const std::string serial = Issue(kBackend);
  {
    FullDisk full(10);
    EXPECT_FALSE(list_->RevokePrincipal(kBackend, RevocationReason::kUnspecified, "test").ok());
  }
  EXPECT_TRUE(list_->CheckPrincipal(kBackend).ok());
  EXPECT_FALSE(list_->Find(serial).has_value());
}

TEST_F(RevocationTest, DoesNotStartWithADamagedFile) {
  ASSERT_TRUE(list_->RevokePrincipal(kBackend, RevocationReason::kUnspecified, "test").ok());
  for (const char* bad : {"", "{}", "[1]", R"({"crlNumber":1,"serials":[{}],"principals":[]})",
                          R"({"crlNumber":1,"serials":[{"at":5}],"principals":[]})"}) {
    directory_.Write("state/revocations.json", bad);
    const auto opened = RevocationList::Open({.state = state_.get(), .ledger = ledger_.get()});
    EXPECT_THAT(opened.status().message(), HasSubstr("revocations.json")) << bad;
  }
}

}  // namespace
}  // namespace kith::controlplane
