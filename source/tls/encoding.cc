#include "source/tls/encoding.h"

#include <openssl/bytestring.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/pkcs8.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "source/tls/pem.h"

namespace kith::tls {
namespace {

constexpr PemLimits kBundleLimits = {size_t{1024} * 1024, 256};
constexpr size_t kMaxContainer = size_t{64} * 1024;
constexpr size_t kMaxChain = 10;
constexpr size_t kLine = 64;  // Of PEM's base64, RFC 7468 §2.

const uint8_t* Bytes(absl::string_view text) {
  return reinterpret_cast<const uint8_t*>(text.data());
}

X509* FindIssuer(const STACK_OF(X509) * certificates, X509* of) {
  for (size_t i = 0; i < sk_X509_num(certificates); ++i) {
    X509* const candidate = sk_X509_value(certificates, i);
    if (candidate != of && X509_check_issued(candidate, of) == X509_V_OK) return candidate;
  }
  return nullptr;
}

bool IsSelfSigned(X509* certificate) {
  return X509_check_issued(certificate, certificate) == X509_V_OK;
}

// The certificate of the key, then its issuers as far as they are there, without the root.
std::string OrderedChain(const STACK_OF(X509) * certificates, const EVP_PKEY* key) {
  X509* next = nullptr;
  for (size_t i = 0; next == nullptr && i < sk_X509_num(certificates); ++i) {
    X509* const candidate = sk_X509_value(certificates, i);
    if (X509_check_private_key(candidate, key) == 1) next = candidate;
  }
  std::string pem;
  for (size_t depth = 0; next != nullptr && depth < kMaxChain; ++depth) {
    if (depth > 0 && IsSelfSigned(next)) break;
    pem += ToPem(*next);
    next = FindIssuer(certificates, next);
  }
  ERR_clear_error();
  return pem;
}

}  // namespace

std::string PemBlock(absl::string_view label, absl::string_view der) {
  const std::string text = absl::Base64Escape(der);
  std::string pem = absl::StrCat("-----BEGIN ", label, "-----\n");
  for (size_t at = 0; at < text.size(); at += kLine) {
    absl::StrAppend(&pem, absl::string_view(text).substr(at, kLine), "\n");
  }
  absl::StrAppend(&pem, "-----END ", label, "-----\n");
  return pem;
}

absl::StatusOr<std::string> CertificatesFromDer(absl::string_view der) {
  if (der.size() > kBundleLimits.bytes) {
    return absl::InvalidArgumentError(absl::StrCat(der.size(), " bytes are more than 1 MiB"));
  }
  std::string pem;
  CBS all;
  CBS_init(&all, Bytes(der), der.size());
  while (CBS_len(&all) > 0) {
    CBS element;
    if (CBS_get_asn1_element(&all, &element, CBS_ASN1_SEQUENCE) != 1) {
      return absl::InvalidArgumentError("the bytes are not DER certificates one after another");
    }
    pem += PemBlock(
        "CERTIFICATE",
        absl::string_view(reinterpret_cast<const char*>(CBS_data(&element)), CBS_len(&element)));
  }
  if (pem.empty()) return absl::InvalidArgumentError("there is no certificate");
  return pem;
}

absl::StatusOr<std::string> CertificatesToDer(absl::string_view pem) {
  auto certificates = ParseCertificates(pem, kBundleLimits);
  if (!certificates.ok()) return certificates.status();
  std::string der;
  for (const bssl::UniquePtr<X509>& certificate : *certificates) {
    uint8_t* bytes = nullptr;
    const int size = i2d_X509(certificate.get(), &bytes);
    if (size < 0) return absl::InternalError("encode a certificate: BoringSSL failed");
    der.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(size));
    OPENSSL_free(bytes);
  }
  return der;
}

absl::StatusOr<std::string> KeyToDer(const PrivateKey& key) {
  bssl::ScopedCBB out;
  uint8_t* bytes = nullptr;
  size_t size = 0;
  if (CBB_init(out.get(), 0) != 1 || EVP_marshal_private_key(out.get(), key.get()) != 1 ||
      CBB_finish(out.get(), &bytes, &size) != 1) {
    ERR_clear_error();
    return absl::InternalError("encode a private key: BoringSSL failed");
  }
  std::string der(reinterpret_cast<const char*>(bytes), size);
  OPENSSL_free(bytes);  // It wipes what it frees.
  return der;
}

absl::StatusOr<std::shared_ptr<const PrivateKey>> KeyFromDer(absl::string_view der) {
  if (der.size() > kMaxContainer) return absl::InvalidArgumentError("the key is over 64 KiB");
  return PrivateKey::FromPem(PemBlock("PRIVATE KEY", der));
}

absl::StatusOr<KeyAndChain> ReadPkcs12(absl::string_view container, const std::string& password) {
  if (container.size() > kMaxContainer) {
    return absl::InvalidArgumentError("the PKCS#12 container is over 64 KiB");
  }
  CBS in;
  CBS_init(&in, Bytes(container), container.size());
  EVP_PKEY* key = nullptr;
  bssl::UniquePtr<STACK_OF(X509)> certificates(sk_X509_new_null());
  if (certificates == nullptr) return absl::ResourceExhaustedError("no memory for PKCS#12");
  const bool read = PKCS12_get_key_and_certs(&key, certificates.get(), &in, password.c_str()) == 1;
  const bssl::UniquePtr<EVP_PKEY> owned(key);
  const uint32_t error = ERR_peek_error();
  ERR_clear_error();
  if (!read) {
    return absl::InvalidArgumentError(ERR_GET_LIB(error) == ERR_LIB_PKCS8 &&
                                              ERR_GET_REASON(error) == PKCS8_R_INCORRECT_PASSWORD
                                          ? "the password does not open the PKCS#12 container"
                                          : "it is no PKCS#12 container that can be read");
  }
  if (key == nullptr) return absl::InvalidArgumentError("the PKCS#12 container has no key");
  KeyAndChain result;
  result.chain_pem = OrderedChain(certificates.get(), key);
  if (result.chain_pem.empty()) {
    return absl::InvalidArgumentError("the PKCS#12 container has no certificate for its key");
  }
  bssl::ScopedCBB out;
  uint8_t* bytes = nullptr;
  size_t size = 0;
  if (CBB_init(out.get(), 0) != 1 || EVP_marshal_private_key(out.get(), key) != 1 ||
      CBB_finish(out.get(), &bytes, &size) != 1) {
    ERR_clear_error();
    return absl::InvalidArgumentError("the PKCS#12 container's key is of an unknown kind");
  }
  auto parsed = KeyFromDer({reinterpret_cast<const char*>(bytes), size});
  OPENSSL_free(bytes);
  if (!parsed.ok()) return parsed.status();
  result.key = *std::move(parsed);
  return result;
}

}  // namespace kith::tls
