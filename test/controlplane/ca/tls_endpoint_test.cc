// A gRPC server that watches the serving certificate's files: what it shows its clients is of our
// root, and a renewal reaches new connections without a restart.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "source/controlplane/ca/certificate_service.h"
#include "source/controlplane/ca/serving_certificate.h"
#include "source/controlplane/ca/token_issuer.h"
#include "source/controlplane/ca/token_verifier.h"
#include "test/controlplane/ca/fixture.h"
#include "test/support/temporary_ca.h"

namespace kith::controlplane {
namespace {

using istio::v1::auth::IstioCertificateRequest;
using istio::v1::auth::IstioCertificateResponse;
using istio::v1::auth::IstioCertificateService;

class TlsEndpointTest : public CaFixture {
 protected:
  TlsEndpointTest() : loop_(*event::Loop::Create()), metrics_(telemetry_) {
    // gRPC judges validity by the machine's clock.
    clock_.Set(absl::Now());
    authority_ = MakeAuthority();
    ServingCertificate::Options serving;
    serving.loop = loop_.get();
    serving.authority = authority_.get();
    serving.state = state_.get();
    serving.clock = &clock_;
    serving_ = *ServingCertificate::Create(std::move(serving));
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
                                    .bounds = &bounds_});
    auto provider = std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
        serving_->key_file(), serving_->certificate_file(), /*refresh_interval_sec=*/1);
    grpc::experimental::TlsServerCredentialsOptions options(provider);
    options.watch_identity_key_cert_pairs();
    options.set_identity_cert_name("");
    options.set_cert_request_type(GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE);
    server_ = grpc::ServerBuilder()
                  .AddListeningPort("127.0.0.1:0",
                                    grpc::experimental::TlsServerCredentials(options), &port_)
                  .RegisterService(service_.get())
                  .BuildAndStart();
  }
  ~TlsEndpointTest() override { server_->Shutdown(); }

  // One call over a connection of its own; `shown` is the certificate the server presented.
  grpc::Status Call(const std::string& roots, const std::string& name, std::string& shown) {
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = roots;
    grpc::ChannelArguments arguments;
    arguments.SetSslTargetNameOverride(name);
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    auto channel = grpc::CreateCustomChannel(absl::StrCat("127.0.0.1:", port_),
                                             grpc::SslCredentials(options), arguments);
    auto stub = IstioCertificateService::NewStub(channel);
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    TokenIssuer issuer({.key = key_, .audit = audit_.get(), .clock = &clock_});
    context.AddMetadata("authorization",
                        "Bearer " + issuer.Create("demo", "a", absl::Hours(100), "")->token);
    IstioCertificateRequest request;
    request.set_csr(test::MakeRequestPem({}));
    IstioCertificateResponse response;
    grpc::Status status = stub->CreateCertificate(&context, request, &response);
    if (status.ok()) {
      auto values = context.auth_context()->FindPropertyValues("x509_pem_cert");
      if (!values.empty()) shown.assign(values[0].data(), values[0].size());
    }
    return status;
  }

  std::unique_ptr<event::Loop> loop_;
  telemetry::Metrics telemetry_;
  CaMetrics metrics_;
  std::unique_ptr<CertificateAuthority> authority_;
  std::unique_ptr<ServingCertificate> serving_;
  std::shared_ptr<const TokenKey> key_;
  std::unique_ptr<JwtVerifier> verifier_;
  IssuedLedger ledger_;
  IssueBounds bounds_{{}};
  std::unique_ptr<RevocationList> revocations_;
  std::unique_ptr<Authenticator> authenticator_;
  std::unique_ptr<CertificateService> service_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

TEST_F(TlsEndpointTest, IsTrustedByTheRootUnderItsNamesOnly) {
  std::string shown;
  grpc::Status status = Call(authority_->trust_bundle_pem(), "kith-controlplane", shown);
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(shown, directory_.Read("state/serving/cert.pem"));
  EXPECT_TRUE(Call(authority_->trust_bundle_pem(), "localhost", shown).ok());
  EXPECT_EQ(Call(authority_->trust_bundle_pem(), "elsewhere", shown).error_code(),
            grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(Call(test::TemporaryCa().root_pem(), "localhost", shown).error_code(),
            grpc::StatusCode::UNAVAILABLE);
}

TEST_F(TlsEndpointTest, ShowsTheRenewedCertificateWithoutARestart) {
  std::string first;
  ASSERT_TRUE(Call(authority_->trust_bundle_pem(), "localhost", first).ok());
  // A clock that is set back makes a renewal due at once. The new one is back-dated by minutes, so
  // gRPC finds it valid.
  const absl::Time now = clock_.Now();
  clock_.Set(now - absl::Seconds(1));
  serving_->Check();
  clock_.Set(now);
  std::string shown = first;
  int failed = 0;
  const absl::Time deadline = absl::Now() + absl::Seconds(30);
  while (shown == first && absl::Now() < deadline) {
    failed += !Call(authority_->trust_bundle_pem(), "localhost", shown).ok();
  }
  EXPECT_NE(shown, first);
  EXPECT_EQ(shown, directory_.Read("state/serving/cert.pem"));
  EXPECT_EQ(failed, 0);
}

}  // namespace
}  // namespace kith::controlplane
