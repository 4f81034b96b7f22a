#include "source/tls/ssl_context.h"

#include <openssl/nid.h>
#include <openssl/pool.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <iterator>
#include <vector>

#include "source/tls/context.h"

namespace kith::tls {
namespace {

constexpr size_t kMaxPeerChain = size_t{64} * 1024;
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

}  // namespace

absl::Span<const absl::string_view> Tls12Ciphers() { return kTls12Ciphers; }

bool SetProtocol(SSL_CTX* ssl_context, uint16_t min_version, const std::string& tls12_ciphers) {
  if (SSL_CTX_set_min_proto_version(ssl_context, min_version) != 1 ||
      SSL_CTX_set_max_proto_version(ssl_context, TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_strict_cipher_list(ssl_context, tls12_ciphers.c_str()) != 1 ||
      SSL_CTX_set1_curves(ssl_context, kGroups, std::size(kGroups)) != 1 ||
      SSL_CTX_set_verify_algorithm_prefs(ssl_context, kSignatures, std::size(kSignatures)) != 1 ||
      SSL_CTX_set_signing_algorithm_prefs(ssl_context, kSignatures, std::size(kSignatures)) != 1) {
    return false;
  }
  SSL_CTX_set_options(ssl_context, SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_num_tickets(ssl_context, 0);
  SSL_CTX_set_session_cache_mode(ssl_context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_max_cert_list(ssl_context, kMaxPeerChain);
  return true;
}

bool SetChainAndKey(SSL_CTX* ssl_context, absl::Span<X509* const> chain, const PrivateKey& key) {
  std::vector<bssl::UniquePtr<CRYPTO_BUFFER>> owned;
  std::vector<CRYPTO_BUFFER*> buffers;
  for (X509* certificate : chain) {
    uint8_t* der = nullptr;
    const int size = i2d_X509(certificate, &der);
    if (size <= 0) return false;
    bssl::UniquePtr<uint8_t> free_der(der);
    owned.emplace_back(CRYPTO_BUFFER_new(der, static_cast<size_t>(size), nullptr));
    if (owned.back() == nullptr) return false;
    buffers.push_back(owned.back().get());
  }
  return SSL_CTX_set_chain_and_key(ssl_context, buffers.data(), buffers.size(), key.get(),
                                   nullptr) == 1;
}

}  // namespace kith::tls
