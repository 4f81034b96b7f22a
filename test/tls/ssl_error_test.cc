#include "source/tls/ssl_error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/cipher.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

namespace kith::tls {
namespace {

using telemetry::Reason;

SslError Queued(int library, int reason) {
  ERR_put_error(library, 0, reason, "file.cc", 1);
  // What BoringSSL adds on its way out is not the cause.
  ERR_put_error(ERR_LIB_SSL, 0, SSL_R_SSL_HANDSHAKE_FAILURE, "file.cc", 2);
  return TakeSslError();
}

TEST(SslErrorTest, TakesTheFirstAndEmptiesTheQueue) {
  EXPECT_EQ(Queued(ERR_LIB_SSL, SSL_R_BAD_SIGNATURE).Text(), "bad signature");
  EXPECT_EQ(ERR_peek_error(), 0u);
  EXPECT_EQ(TakeSslError().Text(), "no error");
  EXPECT_EQ(TakeSslError().reason(), Reason::kInternal);
}

TEST(SslErrorTest, FindsTheReason) {
  const struct {
    int library;
    int code;
    Reason reason;
  } kCases[] = {
      {ERR_LIB_SSL, SSL_R_UNSUPPORTED_PROTOCOL, Reason::kProtocolVersion},
      {ERR_LIB_SSL, SSL_R_NO_SHARED_GROUP, Reason::kNoSharedCipher},
      {ERR_LIB_SSL, SSL_R_NO_COMMON_SIGNATURE_ALGORITHMS, Reason::kNoSharedCipher},
      {ERR_LIB_SSL, SSL_R_NO_APPLICATION_PROTOCOL, Reason::kNoSharedAlpn},
      {ERR_LIB_SSL, SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, Reason::kNoClientCertificate},
      // BoringSSL looks at the key usage before it asks us about the certificate.
      {ERR_LIB_SSL, SSL_R_KEY_USAGE_BIT_INCORRECT, Reason::kCertificatePurpose},
      {ERR_LIB_SSL, SSL_R_CANNOT_PARSE_LEAF_CERT, Reason::kBadCertificate},
      {ERR_LIB_EVP, EVP_R_DECODE_ERROR, Reason::kBadCertificate},
      {ERR_LIB_CIPHER, CIPHER_R_BAD_DECRYPT, Reason::kNotTls},
      {ERR_LIB_BIO, ERR_R_INTERNAL_ERROR, Reason::kInternal},
      {ERR_LIB_SSL, SSL_R_HTTP_REQUEST, Reason::kNotTls},
      {ERR_LIB_SSL, SSL_R_DECODE_ERROR, Reason::kNotTls},
      {ERR_LIB_SSL, ERR_R_MALLOC_FAILURE, Reason::kInternal},
      {ERR_LIB_SSL, SSL_AD_REASON_OFFSET + SSL_AD_UNKNOWN_CA, Reason::kAlertReceived},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(telemetry::Name(Queued(c.library, c.code).reason()), telemetry::Name(c.reason));
  }
}

TEST(SslErrorTest, NamesEveryAlertThatBoringSslCanSend) {
  for (int alert = 0; alert < 256; ++alert) {
    const SslError error = Queued(ERR_LIB_SSL, SSL_AD_REASON_OFFSET + alert);
    EXPECT_EQ(error.alert(), alert);
    EXPECT_THAT(error.Text(), testing::HasSubstr(AlertName(alert)));
  }
  EXPECT_EQ(AlertName(SSL_AD_UNKNOWN_CA), "unknown_ca");
  EXPECT_EQ(AlertName(SSL_AD_CERTIFICATE_REQUIRED), "certificate_required");
  EXPECT_EQ(AlertName(200), "alert_200");
}

}  // namespace
}  // namespace kith::tls
