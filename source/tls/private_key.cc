#include <openssl/bio.h>
#include <openssl/ec_key.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "source/tls/credentials.h"

namespace kith::tls {
namespace {

constexpr size_t kMaxKeyPem = size_t{64} * 1024;

// A request for one extension: the SAN with one URI, critical because the subject is empty
// (RFC 5280 §4.2.1.6).
bssl::UniquePtr<STACK_OF(X509_EXTENSION)> SanExtension(const base::SpiffeId& id) {
  bssl::UniquePtr<GENERAL_NAMES> names(sk_GENERAL_NAME_new_null());
  bssl::UniquePtr<GENERAL_NAME> name(GENERAL_NAME_new());
  bssl::UniquePtr<ASN1_IA5STRING> uri(ASN1_IA5STRING_new());
  if (names == nullptr || name == nullptr || uri == nullptr ||
      ASN1_STRING_set(uri.get(), id.text().data(), static_cast<int>(id.text().size())) != 1) {
    return nullptr;
  }
  GENERAL_NAME_set0_value(name.get(), GEN_URI, uri.release());
  if (!bssl::PushToStack(names.get(), std::move(name))) return nullptr;
  bssl::UniquePtr<X509_EXTENSION> extension(
      X509V3_EXT_i2d(NID_subject_alt_name, /*crit=*/1, names.get()));
  bssl::UniquePtr<STACK_OF(X509_EXTENSION)> extensions(sk_X509_EXTENSION_new_null());
  if (extension == nullptr || extensions == nullptr ||
      !bssl::PushToStack(extensions.get(), std::move(extension))) {
    return nullptr;
  }
  return extensions;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const PrivateKey>> PrivateKey::GenerateP256() {
  bssl::UniquePtr<EC_KEY> ec(EC_KEY_new_by_curve_name(NID_X9_62_prime256v1));
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  if (ec == nullptr || key == nullptr || EC_KEY_generate_key(ec.get()) != 1 ||
      EVP_PKEY_set1_EC_KEY(key.get(), ec.get()) != 1) {
    ERR_clear_error();
    return absl::InternalError("generate a P-256 key: BoringSSL failed");
  }
  return std::shared_ptr<const PrivateKey>(new PrivateKey(key.release()));
}

absl::StatusOr<std::shared_ptr<const PrivateKey>> PrivateKey::FromPem(absl::string_view pem) {
  if (pem.size() > kMaxKeyPem) {
    return absl::InvalidArgumentError("read a private key: it has more than 64 KiB");
  }
  bssl::UniquePtr<BIO> in(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  bssl::UniquePtr<EVP_PKEY> key(
      in == nullptr ? nullptr : PEM_read_bio_PrivateKey(in.get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  if (key == nullptr) {
    return absl::InvalidArgumentError(
        "read a private key: no unencrypted PEM key (BEGIN PRIVATE KEY) of a known kind is there");
  }
  return std::shared_ptr<const PrivateKey>(new PrivateKey(key.release()));
}

PrivateKey::~PrivateKey() { EVP_PKEY_free(key_); }

absl::StatusOr<std::string> PrivateKey::CertificateRequest(const base::SpiffeId& id) const {
  bssl::UniquePtr<X509_REQ> request(X509_REQ_new());
  bssl::UniquePtr<STACK_OF(X509_EXTENSION)> extensions = SanExtension(id);
  bssl::UniquePtr<BIO> out(BIO_new(BIO_s_mem()));
  const EVP_MD* digest = EVP_PKEY_id(key_) == EVP_PKEY_ED25519 ? nullptr : EVP_sha256();
  const uint8_t* bytes = nullptr;
  size_t size = 0;
  if (request == nullptr || extensions == nullptr || out == nullptr ||
      X509_REQ_set_version(request.get(), 0) != 1 ||
      X509_REQ_set_pubkey(request.get(), key_) != 1 ||
      X509_REQ_add_extensions(request.get(), extensions.get()) != 1 ||
      X509_REQ_sign(request.get(), key_, digest) <= 0 ||
      PEM_write_bio_X509_REQ(out.get(), request.get()) != 1 ||
      BIO_mem_contents(out.get(), &bytes, &size) != 1) {
    ERR_clear_error();
    return absl::InternalError("make a certificate request: BoringSSL failed");
  }
  return std::string(reinterpret_cast<const char*>(bytes), size);
}

}  // namespace kith::tls
