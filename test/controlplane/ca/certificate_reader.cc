#include "test/controlplane/ca/certificate_reader.h"

#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/obj.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

namespace kith::controlplane {
namespace {

bssl::UniquePtr<BIO> Bio(const std::string& text) {
  return bssl::UniquePtr<BIO>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string Text(const ASN1_STRING* string) {
  if (string == nullptr) return "";
  return std::string(reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
                     ASN1_STRING_length(string));
}

bool Critical(X509* certificate, int nid) {
  int index = X509_get_ext_by_NID(certificate, nid, -1);
  return index >= 0 && X509_EXTENSION_get_critical(X509_get_ext(certificate, index));
}

}  // namespace

std::vector<bssl::UniquePtr<X509>> ReadCertificates(const std::string& pem) {
  std::vector<bssl::UniquePtr<X509>> certificates;
  bssl::UniquePtr<BIO> bio = Bio(pem);
  while (X509* next = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    certificates.emplace_back(next);
  }
  return certificates;
}

CertificateText Read(const std::string& pem) {
  CertificateText text;
  auto certificates = ReadCertificates(pem);
  if (certificates.empty()) {
    ADD_FAILURE() << "no certificate in: " << pem;
    return text;
  }
  X509* raw = certificates[0].get();
  text.version = static_cast<int>(X509_get_version(raw)) + 1;
  uint8_t* serial = nullptr;
  int serial_size = i2d_ASN1_INTEGER(X509_get_serialNumber(raw), &serial);
  text.serial_der.assign(reinterpret_cast<char*>(serial), serial_size);
  OPENSSL_free(serial);
  bssl::UniquePtr<BIO> subject(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(subject.get(), X509_get_subject_name(raw), 0, XN_FLAG_RFC2253);
  const uint8_t* bytes = nullptr;
  size_t size = 0;
  BIO_mem_contents(subject.get(), &bytes, &size);
  text.subject.assign(reinterpret_cast<const char*>(bytes), size);

  bssl::UniquePtr<GENERAL_NAMES> names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(raw, NID_subject_alt_name, nullptr, nullptr)));
  for (size_t i = 0; names && i < sk_GENERAL_NAME_num(names.get()); i++) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_URI) text.uris.push_back(Text(name->d.uniformResourceIdentifier));
    if (name->type == GEN_DNS) text.dns_names.push_back(Text(name->d.dNSName));
  }
  text.san_critical = Critical(raw, NID_subject_alt_name);
  bssl::UniquePtr<BASIC_CONSTRAINTS> constraints(static_cast<BASIC_CONSTRAINTS*>(
      X509_get_ext_d2i(raw, NID_basic_constraints, nullptr, nullptr)));
  text.basic_constraints = constraints != nullptr;
  text.ca = constraints && constraints->ca;
  text.basic_constraints_critical = Critical(raw, NID_basic_constraints);
  text.key_usage = X509_get_key_usage(raw);
  text.key_usage_critical = Critical(raw, NID_key_usage);
  bssl::UniquePtr<EXTENDED_KEY_USAGE> usages(
      static_cast<EXTENDED_KEY_USAGE*>(X509_get_ext_d2i(raw, NID_ext_key_usage, nullptr, nullptr)));
  for (size_t i = 0; usages && i < sk_ASN1_OBJECT_num(usages.get()); i++) {
    text.extended_key_usage.push_back(OBJ_obj2nid(sk_ASN1_OBJECT_value(usages.get(), i)));
  }
  text.subject_key_id = Text(X509_get0_subject_key_id(raw));
  text.authority_key_id = Text(X509_get0_authority_key_id(raw));
  return text;
}

std::string VerifyChain(const std::string& chain_pem, const std::string& roots_pem, absl::Time now,
                        Role role) {
  auto chain = ReadCertificates(chain_pem);
  if (chain.empty()) return "no certificate";
  bssl::UniquePtr<X509_STORE> store(X509_STORE_new());
  for (auto& root : ReadCertificates(roots_pem)) X509_STORE_add_cert(store.get(), root.get());
  bssl::UniquePtr<STACK_OF(X509)> extra(sk_X509_new_null());
  for (size_t i = 1; i < chain.size(); i++) {
    bssl::PushToStack(extra.get(), bssl::UpRef(chain[i]));
  }
  bssl::UniquePtr<X509_STORE_CTX> context(X509_STORE_CTX_new());
  X509_STORE_CTX_init(context.get(), store.get(), chain[0].get(), extra.get());
  X509_STORE_CTX_set_purpose(
      context.get(), role == Role::kServer ? X509_PURPOSE_SSL_SERVER : X509_PURPOSE_SSL_CLIENT);
  X509_STORE_CTX_set_time(context.get(), 0, absl::ToTimeT(now));
  X509_verify_cert(context.get());
  return X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get()));
}

bool IsKeyOf(const std::string& key_pem, const std::string& certificate_pem) {
  bssl::UniquePtr<BIO> bio = Bio(key_pem);
  bssl::UniquePtr<EVP_PKEY> key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
  auto certificates = ReadCertificates(certificate_pem);
  if (!key || certificates.empty()) return false;
  bssl::UniquePtr<EVP_PKEY> certified(X509_get_pubkey(certificates[0].get()));
  return EVP_PKEY_cmp(certified.get(), key.get()) == 1;
}

}  // namespace kith::controlplane
