#include "test/support/temporary_crl.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cstdio>
#include <cstdlib>

namespace kith::test {
namespace {

void Must(bool done, const char* what) {
  if (done) return;
  std::fprintf(stderr, "temporary_crl: %s failed\n", what);
  std::abort();
}

bssl::UniquePtr<X509> Parse(const Credential& credential) {
  const auto* der = reinterpret_cast<const uint8_t*>(credential.certificate_der.data());
  bssl::UniquePtr<X509> certificate(
      d2i_X509(nullptr, &der, static_cast<long>(credential.certificate_der.size())));
  Must(certificate != nullptr, "a certificate");
  return certificate;
}

bssl::UniquePtr<ASN1_TIME> Time(absl::Time time) {
  bssl::UniquePtr<ASN1_TIME> made(ASN1_TIME_set(nullptr, absl::ToTimeT(time)));
  Must(made != nullptr, "a time");
  return made;
}

bssl::UniquePtr<X509_EXTENSION> Critical(int nid, const std::string& der) {
  bssl::UniquePtr<ASN1_OCTET_STRING> value(ASN1_OCTET_STRING_new());
  Must(ASN1_OCTET_STRING_set(value.get(), reinterpret_cast<const uint8_t*>(der.data()),
                             static_cast<int>(der.size())),
       "an extension");
  bssl::UniquePtr<X509_EXTENSION> made(X509_EXTENSION_create_by_NID(nullptr, nid, 1, value.get()));
  Must(made != nullptr, "an extension");
  return made;
}

}  // namespace

std::string MakeCrl(const Credential& issuer, const CrlOptions& options) {
  const absl::Time this_update = options.this_update.value_or(options.now - absl::Hours(1));
  bssl::UniquePtr<X509_CRL> crl(X509_CRL_new());
  const bssl::UniquePtr<X509> named = Parse(options.named_after.value_or(issuer));
  Must(X509_CRL_set_version(crl.get(), X509_CRL_VERSION_2) &&
           X509_CRL_set_issuer_name(crl.get(), X509_get_subject_name(named.get())) &&
           X509_CRL_set1_lastUpdate(crl.get(), Time(this_update).get()),
       "a list");
  if (options.next_update_present) {
    const absl::Time next = options.next_update.value_or(options.now + absl::Hours(24));
    Must(X509_CRL_set1_nextUpdate(crl.get(), Time(next).get()), "next update");
  }
  for (const Credential& credential : options.revoked) {
    X509_REVOKED* entry = X509_REVOKED_new();
    Must(X509_REVOKED_set_serialNumber(entry, X509_get0_serialNumber(Parse(credential).get())) &&
             X509_REVOKED_set_revocationDate(entry, Time(this_update).get()),
         "an entry");
    if (options.unknown_critical_entry_extension) {
      Must(X509_REVOKED_add_ext(
               entry, Critical(NID_certificate_issuer, std::string("\x30\x00", 2)).get(), -1),
           "an entry's extension");
    }
    Must(X509_CRL_add0_revoked(crl.get(), entry), "an entry");
  }
  const auto extend = [&crl](int nid, const std::string& der) {
    Must(X509_CRL_add_ext(crl.get(), Critical(nid, der).get(), -1), "an extension");
  };
  if (options.delta) extend(NID_delta_crl, std::string("\x02\x01\x01", 3));
  if (options.unknown_critical_extension) {
    extend(NID_pkcs9_challengePassword, std::string("\x30\x00", 2));
  }
  if (!options.distribution_point.empty()) {
    extend(NID_issuing_distribution_point, options.distribution_point);
  }
  bssl::UniquePtr<BIO> bio(
      BIO_new_mem_buf(issuer.key_pem.data(), static_cast<int>(issuer.key_pem.size())));
  bssl::UniquePtr<EVP_PKEY> key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
  Must(key != nullptr &&
           X509_CRL_sign(crl.get(), key.get(), options.sha1 ? EVP_sha1() : EVP_sha256()) > 0,
       "signing a list");
  uint8_t* der = nullptr;
  const int size = i2d_X509_CRL(crl.get(), &der);
  Must(size > 0, "encoding a list");
  std::string made(reinterpret_cast<char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  if (options.corrupt_signature) made.back() = static_cast<char>(made.back() ^ 1);
  return made;
}

std::string CrlPem(const std::string& der) {
  bssl::UniquePtr<BIO> bio(BIO_new(BIO_s_mem()));
  const uint8_t* bytes = nullptr;
  size_t size = 0;
  Must(PEM_write_bio(bio.get(), PEM_STRING_X509_CRL, "",
                     reinterpret_cast<const uint8_t*>(der.data()),
                     static_cast<long>(der.size())) > 0 &&
           BIO_mem_contents(bio.get(), &bytes, &size),
       "PEM");
  return std::string(reinterpret_cast<const char*>(bytes), size);
}

}  // namespace kith::test
