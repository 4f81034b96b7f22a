#include "test/tls/raw_peer.h"

#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pool.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <utility>
#include <vector>

#include "source/tls/credentials.h"
#include "source/tls/pem.h"

namespace kith::tls {

bssl::UniquePtr<SSL_CTX> RawContext() {
  bssl::UniquePtr<SSL_CTX> context(SSL_CTX_new(TLS_with_buffers_method()));
  SSL_CTX_set_custom_verify(context.get(), SSL_VERIFY_PEER,
                            [](SSL*, uint8_t*) { return ssl_verify_ok; });
  return context;
}

bssl::UniquePtr<SSL_CTX> RawContext(const test::Credential& credential) {
  bssl::UniquePtr<SSL_CTX> context = RawContext();
  auto certificates = ParseCertificates(credential.chain_pem, {1 << 20, 100});
  EXPECT_TRUE(certificates.ok()) << certificates.status();
  std::vector<bssl::UniquePtr<CRYPTO_BUFFER>> owned;
  std::vector<CRYPTO_BUFFER*> chain;
  for (const bssl::UniquePtr<X509>& certificate : *certificates) {
    uint8_t* der = nullptr;
    const int size = i2d_X509(certificate.get(), &der);
    bssl::UniquePtr<uint8_t> free_der(der);
    owned.emplace_back(CRYPTO_BUFFER_new(der, static_cast<size_t>(size), nullptr));
    chain.push_back(owned.back().get());
  }
  auto key = PrivateKey::FromPem(credential.key_pem);
  EXPECT_TRUE(key.ok()) << key.status();
  EXPECT_EQ(
      SSL_CTX_set_chain_and_key(context.get(), chain.data(), chain.size(), (*key)->get(), nullptr),
      1);
  // By default BoringSSL does not verify Ed25519.
  const uint16_t signatures[] = {SSL_SIGN_ECDSA_SECP256R1_SHA256, SSL_SIGN_ED25519,
                                 SSL_SIGN_ECDSA_SECP384R1_SHA384, SSL_SIGN_RSA_PSS_RSAE_SHA256};
  SSL_CTX_set_verify_algorithm_prefs(context.get(), signatures, 4);
  return context;
}

RawPeer::RawPeer(std::unique_ptr<net::Stream> stream, SSL_CTX* context, Side side)
    : stream_(std::move(stream)),
      ssl_(SSL_new(context)),
      in_(BIO_new(BIO_s_mem())),
      out_(BIO_new(BIO_s_mem())) {
  BIO_set_mem_eof_return(in_, -1);
  SSL_set_bio(ssl_.get(), in_, out_);
  if (side == Side::kClient) {
    SSL_set_connect_state(ssl_.get());
  } else {
    SSL_set_accept_state(ssl_.get());
  }
  stream_->SetHandler(this);
  stream_->ResumeReading();
}

void RawPeer::OnData(absl::Span<const uint8_t> bytes) {
  ASSERT_EQ(BIO_write(in_, bytes.data(), static_cast<int>(bytes.size())),
            static_cast<int>(bytes.size()));
  Advance();
}

void RawPeer::Advance() {
  ERR_clear_error();
  if (!done_ && !failed_) {
    const int result = SSL_do_handshake(ssl_.get());
    done_ = result == 1;
    if (!done_) NoteFailure(result);
  }
  while (done_ && !failed_ && !close_notify_) {
    char buffer[4096];
    const int result = SSL_read(ssl_.get(), buffer, sizeof buffer);
    if (result <= 0) {
      NoteFailure(result);
      break;
    }
    received_.append(buffer, static_cast<size_t>(result));
  }
  if (!held_) Flush();
}

void RawPeer::NoteFailure(int result) {
  const int error = SSL_get_error(ssl_.get(), result);
  if (error == SSL_ERROR_WANT_READ) return;
  if (error == SSL_ERROR_ZERO_RETURN) {
    close_notify_ = true;
    return;
  }
  failed_ = true;
  const uint32_t code = ERR_peek_error();
  const int reason = ERR_GET_REASON(code);
  if (ERR_GET_LIB(code) == ERR_LIB_SSL && reason >= SSL_AD_REASON_OFFSET) {
    alert_ = reason - SSL_AD_REASON_OFFSET;
  }
}

void RawPeer::Flush() {
  held_ = false;
  const uint8_t* bytes = nullptr;
  size_t size = 0;
  BIO_mem_contents(out_, &bytes, &size);
  stream_->Write(absl::MakeConstSpan(bytes, size));
  BIO_reset(out_);
}

void RawPeer::Write(absl::string_view text) {
  ASSERT_EQ(SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size())),
            static_cast<int>(text.size()));
  if (!held_) Flush();
}

void RawPeer::WriteNothing() {
  SSL_write(ssl_.get(), "", 0);
  if (!held_) Flush();
}

}  // namespace kith::tls
