#include "source/tls/upstream_context.h"

#include <openssl/err.h>
#include <openssl/pool.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "source/base/status.h"
#include "source/tls/context.h"
#include "source/tls/handshake_state.h"
#include "source/tls/ocsp_check.h"
#include "source/tls/pem.h"
#include "source/tls/ssl_context.h"
#include "source/tls/ssl_error.h"
#include "source/tls/svid.h"

namespace kith::tls {
namespace {

constexpr PemLimits kChainLimits = {size_t{64} * 1024, 10};
// Under which the CAs stand in the bundle: detail texts speak of "no root of ours for" it.
constexpr absl::string_view kDomain = "outside-the-mesh";

}  // namespace

ssl_verify_result_t UpstreamContext::CheckServerOf(SSL* ssl, uint8_t* alert) noexcept {
  auto* state = static_cast<HandshakeState*>(SSL_get_app_data(ssl));
  *alert = SSL_AD_INTERNAL_ERROR;
  if (state == nullptr || state->upstream == nullptr) return ssl_verify_invalid;
  if (state->Waits()) return ssl_verify_retry;
  const STACK_OF(CRYPTO_BUFFER)* sent = SSL_get0_peer_certificates(ssl);
  std::vector<CRYPTO_BUFFER*> chain;
  for (size_t i = 0; i < sk_CRYPTO_BUFFER_num(sent); ++i) {
    chain.push_back(sk_CRYPTO_BUFFER_value(sent, i));
  }
  const UpstreamContext& context = *state->upstream;
  state->verdict = context.Verify(chain);
  if (context.bundle_ != nullptr &&
      CheckOcsp(ssl, *context.bundle_, context.clock_->Now(), context.rules_, context.responders_,
                *state) == OcspStep::kWait) {
    return ssl_verify_retry;
  }
  if (state->verdict.status.ok()) return ssl_verify_ok;
  *alert = state->verdict.alert;
  return ssl_verify_invalid;
}

UpstreamContext::UpstreamContext(const Options& options)
    : names_(options.names),
      check_(options.check),
      clock_(options.clock),
      responders_(options.responders) {
  rules_.revocation = options.revocation;
}

absl::StatusOr<std::shared_ptr<const UpstreamContext>> UpstreamContext::Create(
    const Options& options) {
  std::shared_ptr<UpstreamContext> context(new UpstreamContext(options));
  KITH_RETURN_IF_ERROR(context->Prepare(options));
  return std::shared_ptr<const UpstreamContext>(std::move(context));
}

absl::Status UpstreamContext::Prepare(const Options& options) {
  if (check_ == ServerCheck::kVerify) {
    if (names_.empty()) return absl::InvalidArgumentError("no name is expected of the server");
    Crls crls;
    if (!options.crls.empty()) {
      auto parsed = ParseCrls(options.crls);
      if (!parsed.ok()) return base::Annotate(parsed.status(), "caCrl");
      crls = *std::move(parsed);
    }
    TrustBundle::Domain domain;
    domain.trust_domain = std::string(kDomain);
    domain.roots_pem = options.roots_pem;
    auto bundle = TrustBundle::Create({std::move(domain)}, crls);
    if (!bundle.ok()) return base::Annotate(bundle.status(), "caCertificates");
    bundle_ = *std::move(bundle);
  }
  ERR_clear_error();
  certificates_ = CRYPTO_BUFFER_POOL_new();
  client_ = SSL_CTX_new(TLS_with_buffers_method());
  if (certificates_ == nullptr || client_ == nullptr ||
      !SetProtocol(client_, TLS1_2_VERSION, absl::StrJoin(Tls12Ciphers(), ":"))) {
    return absl::InternalError(
        absl::StrCat("make a TLS context: BoringSSL says ", TakeSslError().Text()));
  }
  SSL_CTX_set_custom_verify(client_, SSL_VERIFY_PEER, &CheckServerOf);
  SSL_CTX_set0_buffer_pool(client_, certificates_);
  if (rules_.revocation != RevocationMode::kOff) SSL_CTX_enable_ocsp_stapling(client_);
  return options.certificate_pem.empty() ? absl::OkStatus() : ShowCertificate(options);
}

absl::Status UpstreamContext::ShowCertificate(const Options& options) {
  auto key = PrivateKey::FromPem(options.key_pem);
  if (!key.ok()) return base::Annotate(key.status(), "privateKey");
  auto chain = ParseCertificates(options.certificate_pem, kChainLimits);
  if (!chain.ok()) return base::Annotate(chain.status(), "clientCertificate");
  const bool matches = X509_check_private_key(chain->front().get(), (*key)->get()) == 1;
  ERR_clear_error();
  if (!matches) {
    return absl::InvalidArgumentError(
        "clientCertificate: certificate 1 was issued for another key than privateKey");
  }
  KITH_RETURN_IF_ERROR(base::Annotate(CheckKeyStrength(*chain->front()), "clientCertificate"));
  std::vector<X509*> borrowed;
  for (const bssl::UniquePtr<X509>& certificate : *chain) borrowed.push_back(certificate.get());
  if (!SetChainAndKey(client_, borrowed, **key)) {
    return absl::InvalidArgumentError(
        absl::StrCat("clientCertificate: BoringSSL says ", TakeSslError().Text()));
  }
  certificate_ = Describe(*chain->front());
  return absl::OkStatus();
}

PeerVerdict UpstreamContext::Verify(absl::Span<CRYPTO_BUFFER* const> chain) const {
  if (check_ == ServerCheck::kSkip) return {};
  return VerifyServer(chain, names_, *bundle_, clock_->Now(), rules_);
}

UpstreamContext::~UpstreamContext() {
  SSL_CTX_free(client_);
  CRYPTO_BUFFER_POOL_free(certificates_);
}

}  // namespace kith::tls
