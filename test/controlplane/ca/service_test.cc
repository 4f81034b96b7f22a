// The certificate service over a real gRPC server and channel in this process.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>

#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "source/controlplane/ca/certificate_service.h"
#include "source/controlplane/ca/token_issuer.h"
#include "source/controlplane/ca/token_verifier.h"
#include "test/controlplane/ca/certificate_reader.h"
#include "test/controlplane/ca/fixture.h"
#include "test/support/temporary_ca.h"

namespace kith::controlplane {
namespace {

using istio::v1::auth::IstioCertificateRequest;
using istio::v1::auth::IstioCertificateResponse;
using istio::v1::auth::IstioCertificateService;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class CertificateServiceTest : public CaFixture {
 protected:
  CertificateServiceTest() : metrics_(telemetry_) {
    authority_ = MakeAuthority();
    key_ = *TokenKey::LoadOrCreate(*state_);
    verifier_ =
        std::make_unique<JwtVerifier>(std::vector<TrustedIssuer>{OwnIssuer(*key_)}, &clock_);
    revocations_ = *RevocationList::Open(
        {.state = state_.get(), .audit = audit_.get(), .ledger = &ledger_, .clock = &clock_});
    authenticator_ = std::make_unique<Authenticator>(*verifier_, metrics_);
    service_ = std::make_unique<CertificateService>(
        CertificateService::Options{.authority = authority_.get(),
                                    .authenticator = authenticator_.get(),
                                    .audit = audit_.get(),
                                    .metrics = &metrics_,
                                    .revocations = revocations_.get(),
                                    .bounds = &bounds_,
                                    .issued = [this](const Issuance& issuance) {
                                      absl::MutexLock lock(&mutex_);
                                      issued_.push_back(issuance);
                                    }});
    server_ = grpc::ServerBuilder().RegisterService(service_.get()).BuildAndStart();
    stub_ = IstioCertificateService::NewStub(server_->InProcessChannel({}));
  }
  ~CertificateServiceTest() override { server_->Shutdown(); }

  std::string Token(const std::string& name_space = "demo",
                    const std::string& account = "frontend") {
    TokenIssuer issuer({.key = key_, .audit = audit_.get(), .clock = &clock_});
    return issuer.Create(name_space, account, absl::Hours(1), "test")->token;
  }

  grpc::Status Call(const std::string& authorization, const IstioCertificateRequest& request) {
    grpc::ClientContext context;
    if (!authorization.empty()) context.AddMetadata("authorization", authorization);
    response_.Clear();
    return stub_->CreateCertificate(&context, request, &response_);
  }
  IstioCertificateRequest Request(int64_t seconds = 3600) {
    IstioCertificateRequest request;
    request.set_csr(test::MakeRequestPem({}));
    request.set_validity_duration(seconds);
    return request;
  }

  telemetry::Metrics telemetry_;
  CaMetrics metrics_;
  std::unique_ptr<CertificateAuthority> authority_;
  std::shared_ptr<const TokenKey> key_;
  std::unique_ptr<JwtVerifier> verifier_;
  IssuedLedger ledger_;
  IssueBounds bounds_{
      {.clock = &clock_,
       .per_second = 100,
       .burst = 120,
       .concurrent = 64,
       .namespaces = {
           {"narrow", {.max_leaf_lifetime = absl::Minutes(5), .key_types = {"P-384"}}}}}};
  std::unique_ptr<RevocationList> revocations_;
  std::unique_ptr<Authenticator> authenticator_;
  std::unique_ptr<CertificateService> service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<IstioCertificateService::Stub> stub_;
  IstioCertificateResponse response_;
  absl::Mutex mutex_;
  std::vector<Issuance> issued_;
};

TEST_F(CertificateServiceTest, CertifiesTheCallerOfTheToken) {
  grpc::Status status = Call("Bearer " + Token(), Request());
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(response_.cert_chain_size(), 2);
  EXPECT_THAT(Read(response_.cert_chain(0)).uris,
              ElementsAre("spiffe://cluster.local/ns/demo/sa/frontend"));
  EXPECT_EQ(
      VerifyChain(response_.cert_chain(0), response_.cert_chain(1), clock_.Now(), Role::kClient),
      "ok");
  ASSERT_EQ(issued_.size(), 1u);
  EXPECT_EQ(issued_[0].spiffe_id, "spiffe://cluster.local/ns/demo/sa/frontend");
  EXPECT_EQ(issued_[0].caller.service_account, "frontend");
  EXPECT_EQ(issued_[0].not_after, clock_.Now() + absl::Hours(1));
  auto line = AuditLines().back();
  EXPECT_EQ(line["decision"], "issued");
  EXPECT_EQ(line["caller"], "demo/frontend");
  EXPECT_EQ(line["serial"], issued_[0].serial);
  EXPECT_EQ(line["token_id"], issued_[0].caller.token_id);
  EXPECT_THAT(telemetry_.Text(), HasSubstr("kith_ca_issued_total 1\n"));
  EXPECT_THAT(telemetry_.Text(),
              HasSubstr("kith_token_checks_total{result=\"ok\",reason=\"-\"} 1\n"));
}

TEST_F(CertificateServiceTest, IgnoresWhomTheRequestClaimsToBe) {
  IstioCertificateRequest request;
  request.set_csr(test::MakeRequestPem(
      {.uri_sans = {"spiffe://cluster.local/ns/demo/sa/backend"}, .ask_for_ca = true}));
  ASSERT_TRUE(Call("bearer " + Token(), request).ok());
  CertificateText leaf = Read(response_.cert_chain(0));
  EXPECT_THAT(leaf.uris, ElementsAre("spiffe://cluster.local/ns/demo/sa/frontend"));
  EXPECT_FALSE(leaf.ca);
  // Zero seconds: the default.
  EXPECT_EQ(issued_[0].not_after, clock_.Now() + absl::Hours(24));
}

TEST_F(CertificateServiceTest, SaysPlainlyWhatIsWrongWithAToken) {
  const std::string token = Token();
  struct {
    std::string authorization;
    const char* reason;
    const char* message;
  } cases[] = {
      {"", "missing", "there is none"},
      {"Bearer ", "missing", "it is empty"},
      {"Basic dTpw", "missing", "not a bearer token"},
      {token, "missing", "not a bearer token"},
      {"Bearer x.y.z", "malformed", "base64url"},
      {"Bearer " + token.substr(0, token.rfind('.') + 1), "signature", "signature is wrong"}};
  for (const auto& one : cases) {
    grpc::Status status = Call(one.authorization, Request());
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED) << one.authorization;
    EXPECT_THAT(status.error_message(), HasSubstr(one.message));
    EXPECT_THAT(status.error_message(), Not(HasSubstr(token.substr(0, 30))));
    EXPECT_THAT(telemetry_.Text(),
                HasSubstr(absl::StrCat("kith_token_checks_total{result=\"failed\",reason=\"",
                                       one.reason, "\"}")));
    EXPECT_EQ(AuditLines().back()["reason"], "unauthenticated");
  }
  clock_.Advance(absl::Hours(2));
  grpc::Status expired = Call("Bearer " + token, Request());
  EXPECT_EQ(expired.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_THAT(expired.error_message(), HasSubstr("it expired at"));
  EXPECT_THAT(telemetry_.Text(),
              HasSubstr("kith_ca_rejected_total{reason=\"unauthenticated\"} 7\n"));
  EXPECT_THAT(directory_.Read("state/audit.jsonl"), Not(HasSubstr(token.substr(0, 30))));
  EXPECT_TRUE(issued_.empty());
}

TEST_F(CertificateServiceTest, RefusesTwoTokens) {
  grpc::ClientContext context;
  context.AddMetadata("authorization", "Bearer " + Token());
  context.AddMetadata("authorization", "Bearer " + Token("kube-system", "admin"));
  grpc::Status status = stub_->CreateCertificate(&context, Request(), &response_);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
}

TEST_F(CertificateServiceTest, RefusesBadRequests) {
  const std::string authorization = "Bearer " + Token();
  IstioCertificateRequest garbage;
  garbage.set_csr("garbage");
  IstioCertificateRequest unsigned_request;
  unsigned_request.set_csr(test::MakeRequestPem({.corrupt_signature = true}));
  IstioCertificateRequest impersonating = Request();
  (*impersonating.mutable_metadata()->mutable_fields())["ImpersonatedIdentity"].set_string_value(
      "spiffe://cluster.local/ns/demo/sa/backend");
  IstioCertificateRequest weak;
  weak.set_csr(test::MakeRequestPem({.key_type = test::KeyType::kRsa1024}));
  struct {
    IstioCertificateRequest request;
    const char* reason;
  } cases[] = {
      {garbage, "request_malformed"},          {IstioCertificateRequest(), "request_malformed"},
      {unsigned_request, "request_signature"}, {weak, "request_key"},
      {Request(-1), "request_lifetime"},       {impersonating, "request_unsupported"}};
  for (const auto& one : cases) {
    grpc::Status status = Call(authorization, one.request);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << one.reason;
    EXPECT_FALSE(status.error_message().empty());
    EXPECT_EQ(AuditLines().back()["reason"], one.reason);
    EXPECT_EQ(AuditLines().back()["caller"], "demo/frontend");
    EXPECT_THAT(telemetry_.Text(),
                HasSubstr(absl::StrCat("kith_ca_rejected_total{reason=\"", one.reason, "\"}")));
  }
  EXPECT_TRUE(issued_.empty());
  // A caller's mistakes do not keep others from being served.
  EXPECT_TRUE(Call(authorization, Request()).ok());
}

TEST_F(CertificateServiceTest, ServesManyCallersAtOnce) {
  const std::string authorization = "Bearer " + Token();
  const IstioCertificateRequest request = Request();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; t++) {
    threads.emplace_back([&] {
      for (int i = 0; i < 25; i++) {
        grpc::ClientContext context;
        context.AddMetadata("authorization", authorization);
        IstioCertificateResponse response;
        grpc::Status status = stub_->CreateCertificate(&context, request, &response);
        ASSERT_TRUE(status.ok()) << status.error_message();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(issued_.size(), 100u);
  EXPECT_THAT(telemetry_.Text(), HasSubstr("kith_ca_issued_total 100\n"));
}

TEST_F(CertificateServiceTest, IssuesNothingToWhoIsRevoked) {
  const std::string authorization = "Bearer " + Token();
  ASSERT_TRUE(Call(authorization, Request()).ok());
  ASSERT_TRUE(revocations_
                  ->RevokePrincipal("spiffe://cluster.local/ns/demo/sa/frontend",
                                    x509::RevocationReason::kKeyCompromise, "test")
                  .ok());
  const grpc::Status refused = Call(authorization, Request());
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(response_.cert_chain_size(), 0);
  EXPECT_EQ(AuditLines().back()["reason"], "revoked");
  EXPECT_TRUE(Call("Bearer " + Token("demo", "backend"), Request()).ok());
}

TEST_F(CertificateServiceTest, TellsWhoAsksTooOftenWhenToComeBack) {
  const std::string authorization = "Bearer " + Token();
  grpc::Status refused;
  int issued = 0;
  for (; issued < 200; issued++) {
    grpc::ClientContext context;
    context.AddMetadata("authorization", authorization);
    refused = stub_->CreateCertificate(&context, Request(), &response_);
    if (refused.ok()) continue;
    const auto& trailing = context.GetServerTrailingMetadata();
    const auto hint = trailing.find("grpc-retry-pushback-ms");
    ASSERT_NE(hint, trailing.end());
    EXPECT_EQ(std::string(hint->second.data(), hint->second.size()), "10");
    break;
  }
  EXPECT_EQ(issued, 120);
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(AuditLines().back()["reason"], "rate_limited");
  EXPECT_TRUE(Call("Bearer " + Token("demo", "backend"), Request()).ok());
}

TEST_F(CertificateServiceTest, KeepsANamespaceWithinItsBounds) {
  const std::string authorization = "Bearer " + Token("narrow", "frontend");
  const grpc::Status refused = Call(authorization, Request());
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(AuditLines().back()["reason"], "not_allowed");
  for (const int64_t seconds : {0, 60, 3600}) {
    IstioCertificateRequest request = Request(seconds);
    request.set_csr(test::MakeRequestPem({.key_type = test::KeyType::kP384}));
    ASSERT_TRUE(Call(authorization, request).ok());
    absl::Time end;
    std::string error;
    ASSERT_TRUE(absl::ParseTime(absl::RFC3339_full,
                                AuditLines().back()["not_after"].get<std::string>(), &end, &error));
    EXPECT_EQ(end - clock_.Now(), absl::Seconds(seconds == 60 ? 60 : 300)) << seconds;
  }
}

}  // namespace
}  // namespace kith::controlplane
