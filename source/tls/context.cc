#include "source/tls/context.h"

#include <openssl/err.h>
#include <openssl/pool.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "source/tls/handshake_state.h"
#include "source/tls/ocsp_check.h"
#include "source/tls/ssl_context.h"
#include "source/tls/ssl_error.h"
#include "source/tls/verified_peers.h"

namespace kith::tls {
namespace {

// Of what a client offered in vain: enough to recognize it in a log line.
constexpr unsigned kShownAlpn = 128;

std::string CipherList(const TrustRules& rules) {
  return rules.tls12_ciphers.empty() ? absl::StrJoin(Tls12Ciphers(), ":")
                                     : absl::StrJoin(rules.tls12_ciphers, ":");
}

int OnSelectAlpn(SSL* ssl, const uint8_t** out, uint8_t* out_size, const uint8_t* offered,
                 unsigned offered_size, void*) noexcept {
  auto* state = static_cast<HandshakeState*>(SSL_get_app_data(ssl));
  if (state == nullptr || state->alpn.empty()) return SSL_TLSEXT_ERR_NOACK;
  for (const std::string& ours : state->alpn) {
    // BoringSSL has checked the list's form.
    for (unsigned at = 0; at < offered_size; at += 1u + offered[at]) {
      const absl::string_view theirs(reinterpret_cast<const char*>(offered + at + 1), offered[at]);
      if (theirs != ours) continue;
      *out = offered + at + 1;
      *out_size = offered[at];
      return SSL_TLSEXT_ERR_OK;
    }
  }
  state->refused_alpn.assign(offered, offered + std::min(offered_size, kShownAlpn));
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

bool Configure(SSL_CTX* ssl_context, const Context::Options& options) {
  const uint16_t min =
      options.rules.min_version == MinVersion::kTls12 ? TLS1_2_VERSION : TLS1_3_VERSION;
  if (!SetProtocol(ssl_context, min, CipherList(options.rules)) ||
      !SetChainAndKey(ssl_context, options.identity->chain(), options.identity->key())) {
    return false;
  }
  SSL_CTX_set_custom_verify(ssl_context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                            &CheckPeerOf);
  SSL_CTX_set_alpn_select_cb(ssl_context, &OnSelectAlpn, nullptr);
  return true;
}

// Of the mesh's own certificates its revocation lists speak.
Responders* AskedAbout(const PeerVerdict& verdict, const Context& context) {
  const bool outside =
      verdict.peer && verdict.peer->id.trust_domain() != context.identity().id().trust_domain();
  return outside ? context.options().responders : nullptr;
}

}  // namespace

ssl_verify_result_t CheckPeerOf(SSL* ssl, uint8_t* alert) noexcept {
  auto* state = static_cast<HandshakeState*>(SSL_get_app_data(ssl));
  *alert = SSL_AD_INTERNAL_ERROR;
  if (state == nullptr) return ssl_verify_invalid;
  if (state->Waits()) return ssl_verify_retry;
  const STACK_OF(CRYPTO_BUFFER)* sent = SSL_get0_peer_certificates(ssl);
  std::vector<CRYPTO_BUFFER*> chain;
  for (size_t i = 0; i < sk_CRYPTO_BUFFER_num(sent); ++i) {
    chain.push_back(sk_CRYPTO_BUFFER_value(sent, i));
  }
  const Context& context = *state->context;
  const absl::Time now = context.options().clock->Now();
  state->verdict = state->verified != nullptr
                       ? state->verified->Verify(chain, state->peer_role, context.options().bundle,
                                                 now, *state->rules)
                       : VerifyPeer(chain, state->peer_role, context.bundle(), now, *state->rules);
  const OcspStep step = CheckOcsp(ssl, context.bundle(), now, *state->rules,
                                  AskedAbout(state->verdict, context), *state);
  if (step == OcspStep::kWait) return ssl_verify_retry;
  if (state->peer_role == PeerRole::kServer) RequireIdentity(state->expected, state->verdict);
  if (state->verdict.status.ok()) return ssl_verify_ok;
  *alert = state->verdict.alert;
  return ssl_verify_invalid;
}

Context::Context(Options options) : options_(std::move(options)) {}

absl::StatusOr<std::shared_ptr<const Context>> Context::Create(Options options) {
  if (options.identity == nullptr || options.bundle == nullptr || options.clock == nullptr) {
    return absl::InvalidArgumentError("a TLS context needs an identity, a trust bundle, a clock");
  }
  std::shared_ptr<Context> context(new Context(std::move(options)));
  if (absl::Status status = context->Prepare(); !status.ok()) return status;
  return std::shared_ptr<const Context>(std::move(context));
}

absl::Status Context::Prepare() {
  ERR_clear_error();
  certificates_ = CRYPTO_BUFFER_POOL_new();
  // Without BoringSSL's X509 layer: a connection keeps a peer's chain as bytes only.
  server_ = SSL_CTX_new(TLS_with_buffers_method());
  client_ = SSL_CTX_new(TLS_with_buffers_method());
  const bool made = certificates_ != nullptr && server_ != nullptr && client_ != nullptr;
  if (!made || !Configure(server_, options_) || !Configure(client_, options_)) {
    return absl::InvalidArgumentError(absl::StrCat("make a TLS context for ",
                                                   identity().id().text(), ": BoringSSL says ",
                                                   TakeSslError().Text()));
  }
  SSL_CTX_set0_buffer_pool(server_, certificates_);
  SSL_CTX_set0_buffer_pool(client_, certificates_);
  if (options_.rules.peer.revocation != RevocationMode::kOff) {
    SSL_CTX_enable_ocsp_stapling(client_);
  }
  const std::string& staple = options_.ocsp_response;
  if (!staple.empty() &&
      SSL_CTX_set_ocsp_response(server_, reinterpret_cast<const uint8_t*>(staple.data()),
                                staple.size()) != 1) {
    return absl::ResourceExhaustedError("no memory for the OCSP response to staple");
  }
  return absl::OkStatus();
}

Context::~Context() {
  SSL_CTX_free(client_);
  SSL_CTX_free(server_);
  CRYPTO_BUFFER_POOL_free(certificates_);
}

}  // namespace kith::tls
