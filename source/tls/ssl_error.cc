#include "source/tls/ssl_error.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace kith::tls {
namespace {

using telemetry::Reason;

struct Alert {
  int number;
  absl::string_view name;
  absl::string_view meaning;  // What the peer says by it.
  absl::string_view hint;
};

constexpr absl::string_view kCertificate = "the peer refused our certificate";
constexpr absl::string_view kHandshake = "the peer ended the handshake";
constexpr absl::string_view kConnection = "the peer ended the connection";

constexpr Alert kAlerts[] = {
    {10, "unexpected_message", kConnection, ""},
    {20, "bad_record_mac", kConnection, "is something between the two changing bytes?"},
    {22, "record_overflow", kConnection, ""},
    {40, "handshake_failure", kHandshake, "does it allow TLS 1.3, AES-GCM and X25519 or P-256?"},
    {42, "bad_certificate", kCertificate, "does it expect another identity here? its log says"},
    {43, "unsupported_certificate", kCertificate, "does it accept our kind of key and our usages?"},
    {44, "certificate_revoked", kCertificate, "was it revoked?"},
    {45, "certificate_expired", kCertificate, "was it renewed, and are both clocks right?"},
    {46, "certificate_unknown", kCertificate, "its log says why"},
    {47, "illegal_parameter", kHandshake, ""},
    {48, "unknown_ca", kCertificate, "does its trust bundle hold our root?"},
    {49, "access_denied", kCertificate, "does it allow our identity?"},
    {50, "decode_error", kHandshake, ""},
    {51, "decrypt_error", kHandshake, "do our certificate and key belong together?"},
    {70, "protocol_version", kHandshake, "does it allow TLS 1.3?"},
    {71, "insufficient_security", kHandshake, "does it allow our kind of key?"},
    {80, "internal_error", kConnection, "its log says why"},
    {86, "inappropriate_fallback", kHandshake, ""},
    {90, "user_canceled", kConnection, ""},
    {109, "missing_extension", kHandshake, ""},
    {110, "unsupported_extension", kHandshake, ""},
    {112, "unrecognized_name", kHandshake, "is the server name one that it serves?"},
    {116, "certificate_required", kHandshake, "it demands a certificate and has got none"},
    {120, "no_application_protocol", kHandshake, "does it speak one of the protocols we offer?"},
};

const Alert* Find(int number) {
  for (const Alert& alert : kAlerts) {
    if (alert.number == number) return &alert;
  }
  return nullptr;
}

std::string AlertText(int number) {
  const Alert* alert = Find(number);
  if (alert == nullptr) return absl::StrCat(kConnection, ": ", AlertName(number));
  return absl::StrCat(alert->meaning, ": ", alert->name, alert->hint.empty() ? "" : "; ",
                      alert->hint);
}

}  // namespace

std::string AlertName(int alert) {
  const Alert* known = Find(alert);
  return known != nullptr ? std::string(known->name) : absl::StrCat("alert_", alert);
}

int SslError::alert() const {
  const int reason = ERR_GET_REASON(code);
  if (ERR_GET_LIB(code) != ERR_LIB_SSL || reason < SSL_AD_REASON_OFFSET) return -1;
  return reason - SSL_AD_REASON_OFFSET;
}

Reason SslError::reason() const {
  if (alert() >= 0) return Reason::kAlertReceived;
  if (code == 0) return Reason::kInternal;
  switch (ERR_GET_LIB(code)) {
    case ERR_LIB_SSL:
      break;
    case ERR_LIB_CIPHER:  // A record that does not decrypt.
      return Reason::kNotTls;
    case ERR_LIB_ASN1:  // What the layers below say while they read a key or check a signature.
    case ERR_LIB_BN:
    case ERR_LIB_EC:
    case ERR_LIB_ECDSA:
    case ERR_LIB_EVP:
    case ERR_LIB_RSA:
    case ERR_LIB_X509:
    case ERR_LIB_X509V3:
      return Reason::kBadCertificate;
    default:
      return Reason::kInternal;
  }
  switch (ERR_GET_REASON(code)) {
    case ERR_R_MALLOC_FAILURE:
    case ERR_R_INTERNAL_ERROR:
      return Reason::kInternal;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_UNKNOWN_PROTOCOL:
    case SSL_R_INAPPROPRIATE_FALLBACK:
      return Reason::kProtocolVersion;
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SHARED_GROUP:
    case SSL_R_NO_COMMON_SIGNATURE_ALGORITHMS:
    case SSL_R_WRONG_SIGNATURE_TYPE:
    case SSL_R_WRONG_CIPHER_RETURNED:
    case SSL_R_WRONG_CURVE:
      return Reason::kNoSharedCipher;
    case SSL_R_NO_APPLICATION_PROTOCOL:
    case SSL_R_INVALID_ALPN_PROTOCOL:
      return Reason::kNoSharedAlpn;
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return Reason::kNoClientCertificate;
    case SSL_R_KEY_USAGE_BIT_INCORRECT:
      return Reason::kCertificatePurpose;
    case SSL_R_BAD_SIGNATURE:
    case SSL_R_CANNOT_PARSE_LEAF_CERT:
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
    case SSL_R_CERT_LENGTH_MISMATCH:
    case SSL_R_UNKNOWN_CERTIFICATE_TYPE:
      return Reason::kBadCertificate;
    default:
      return Reason::kNotTls;
  }
}

std::string SslError::Text() const {
  if (int number = alert(); number >= 0) return AlertText(number);
  if (code == 0) return "no error";
  if (ERR_GET_LIB(code) == ERR_LIB_SSL) {
    switch (ERR_GET_REASON(code)) {
      case SSL_R_HTTP_REQUEST:
      case SSL_R_HTTPS_PROXY_REQUEST:
        return "the peer sent a plain HTTP request; is it outside the mesh?";
      case SSL_R_WRONG_VERSION_NUMBER:
        return "what the peer sent is not TLS; does it speak plaintext?";
      case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
        return "the client has no certificate; is it in the mesh?";
      case SSL_R_UNSUPPORTED_PROTOCOL:
        return "the peer does not offer a TLS version that is allowed here (1.3, or 1.2 by "
               "tls.minVersion)";
      case SSL_R_NO_APPLICATION_PROTOCOL:
        return "the peer offers no application protocol (ALPN) that is spoken here";
      default:
        break;
    }
  }
  if (ERR_GET_LIB(code) == ERR_LIB_CIPHER) {
    return "a record of the peer does not decrypt; does something on the way change bytes?";
  }
  const char* text = ERR_reason_error_string(code);
  if (text == nullptr) return absl::StrCat("error ", code);
  return absl::AsciiStrToLower(absl::StrReplaceAll(text, {{"_", " "}}));
}

SslError TakeSslError() {
  SslError error;
  error.code = ERR_get_error();
  ERR_clear_error();
  return error;
}

}  // namespace kith::tls
