#include "source/tls/context.h"

#include <openssl/err.h>
#include <openssl/nid.h>
#include <openssl/pool.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "source/tls/handshake_state.h"
#include "source/tls/ssl_error.h"

namespace kith::tls {
namespace {

constexpr size_t kMaxPeerChain = size_t{64} * 1024;
// Of what a client offered in vain: enough to recognize it in a log line.
constexpr unsigned kShownAlpn = 128;

// What CheckKeyStrength() lets through, with SHA-256 or better. RSA with PKCS#1 padding exists only
// in TLS 1.2.
constexpr uint16_t kSignatures[] = {
    SSL_SIGN_ECDSA_SECP256R1_SHA256, SSL_SIGN_ED25519,
    SSL_SIGN_RSA_PSS_RSAE_SHA256,    SSL_SIGN_ECDSA_SECP384R1_SHA384,
    SSL_SIGN_RSA_PSS_RSAE_SHA384,    SSL_SIGN_ECDSA_SECP521R1_SHA512,
    SSL_SIGN_RSA_PSS_RSAE_SHA512,    SSL_SIGN_RSA_PKCS1_SHA256,
    SSL_SIGN_RSA_PKCS1_SHA384,       SSL_SIGN_RSA_PKCS1_SHA512,
};

// Equally fast between two of us (handshake_bench); X25519 is what everybody else sends first, so
// no second round trip is needed with foreign peers.
constexpr int kGroups[] = {NID_X25519, NID_X9_62_prime256v1};

// TLS 1.2 only; in TLS 1.3 BoringSSL itself prefers AES-128-GCM where the machine has AES
// instructions and ChaCha20 where not.
constexpr absl::string_view kTls12Ciphers[] = {
    "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305",
};

std::string CipherList(const TrustRules& rules) {
  return rules.tls12_ciphers.empty() ? absl::StrJoin(kTls12Ciphers, ":")
                                     : absl::StrJoin(rules.tls12_ciphers, ":");
}

ssl_verify_result_t OnVerify(SSL* ssl, uint8_t* alert) noexcept {
  auto* state = static_cast<HandshakeState*>(SSL_get_app_data(ssl));
  *alert = SSL_AD_INTERNAL_ERROR;
  if (state == nullptr) return ssl_verify_invalid;
  const STACK_OF(CRYPTO_BUFFER)* sent = SSL_get0_peer_certificates(ssl);
  std::vector<CRYPTO_BUFFER*> chain;
  for (size_t i = 0; i < sk_CRYPTO_BUFFER_num(sent); ++i) {
    chain.push_back(sk_CRYPTO_BUFFER_value(sent, i));
  }
  const Context& context = *state->context;
  state->verdict = VerifyPeer(chain, state->peer_role, context.bundle(),
                              context.options().clock->Now(), *state->rules);
  if (state->peer_role == PeerRole::kServer) RequireIdentity(state->expected, state->verdict);
  if (state->verdict.status.ok()) return ssl_verify_ok;
  *alert = state->verdict.alert;
  return ssl_verify_invalid;
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

bool SetIdentity(SSL_CTX* ssl_context, const Identity& identity) {
  std::vector<bssl::UniquePtr<CRYPTO_BUFFER>> owned;
  std::vector<CRYPTO_BUFFER*> chain;
  for (X509* certificate : identity.chain()) {
    uint8_t* der = nullptr;
    const int size = i2d_X509(certificate, &der);
    if (size <= 0) return false;
    bssl::UniquePtr<uint8_t> free_der(der);
    owned.emplace_back(CRYPTO_BUFFER_new(der, static_cast<size_t>(size), nullptr));
    if (owned.back() == nullptr) return false;
    chain.push_back(owned.back().get());
  }
  return SSL_CTX_set_chain_and_key(ssl_context, chain.data(), chain.size(), identity.key().get(),
                                   nullptr) == 1;
}

bool Configure(SSL_CTX* ssl_context, const Context::Options& options) {
  const uint16_t min =
      options.rules.min_version == MinVersion::kTls12 ? TLS1_2_VERSION : TLS1_3_VERSION;
  if (SSL_CTX_set_min_proto_version(ssl_context, min) != 1 ||
      SSL_CTX_set_max_proto_version(ssl_context, TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_strict_cipher_list(ssl_context, CipherList(options.rules).c_str()) != 1 ||
      SSL_CTX_set1_curves(ssl_context, kGroups, std::size(kGroups)) != 1 ||
      SSL_CTX_set_verify_algorithm_prefs(ssl_context, kSignatures, std::size(kSignatures)) != 1 ||
      SSL_CTX_set_signing_algorithm_prefs(ssl_context, kSignatures, std::size(kSignatures)) != 1 ||
      !SetIdentity(ssl_context, *options.identity)) {
    return false;
  }
  SSL_CTX_set_options(ssl_context, SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_num_tickets(ssl_context, 0);
  SSL_CTX_set_session_cache_mode(ssl_context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_max_cert_list(ssl_context, kMaxPeerChain);
  SSL_CTX_set_custom_verify(ssl_context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                            &OnVerify);
  SSL_CTX_set_alpn_select_cb(ssl_context, &OnSelectAlpn, nullptr);
  return true;
}

}  // namespace

absl::Span<const absl::string_view> Tls12Ciphers() { return kTls12Ciphers; }

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
  return absl::OkStatus();
}

Context::~Context() {
  SSL_CTX_free(client_);
  SSL_CTX_free(server_);
  CRYPTO_BUFFER_POOL_free(certificates_);
}

}  // namespace kith::tls
