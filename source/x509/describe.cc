#include "source/x509/describe.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/obj.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <array>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "source/base/status.h"
#include "source/x509/crypto.h"

namespace kith::x509 {
namespace {

constexpr std::array<std::pair<uint32_t, absl::string_view>, 9> kKeyUsages = {{
    {KU_DIGITAL_SIGNATURE, "digitalSignature"},
    {KU_NON_REPUDIATION, "nonRepudiation"},
    {KU_KEY_ENCIPHERMENT, "keyEncipherment"},
    {KU_DATA_ENCIPHERMENT, "dataEncipherment"},
    {KU_KEY_AGREEMENT, "keyAgreement"},
    {KU_KEY_CERT_SIGN, "keyCertSign"},
    {KU_CRL_SIGN, "cRLSign"},
    {KU_ENCIPHER_ONLY, "encipherOnly"},
    {KU_DECIPHER_ONLY, "decipherOnly"},
}};

absl::string_view View(const ASN1_STRING* string) {
  if (string == nullptr) return "";
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
          static_cast<size_t>(ASN1_STRING_length(string))};
}

std::string Printed(const X509_NAME* name) {
  bssl::UniquePtr<BIO> bio(BIO_new(BIO_s_mem()));
  const uint8_t* bytes = nullptr;
  size_t size = 0;
  if (!bio || X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_RFC2253) < 0 ||
      !BIO_mem_contents(bio.get(), &bytes, &size)) {
    ERR_clear_error();
    return "";
  }
  return std::string(reinterpret_cast<const char*>(bytes), size);
}

std::string Address(absl::string_view bytes) {
  char text[INET6_ADDRSTRLEN] = {};
  const int family = bytes.size() == 4 ? AF_INET : AF_INET6;
  if ((bytes.size() != 4 && bytes.size() != 16) ||
      inet_ntop(family, bytes.data(), text, sizeof(text)) == nullptr) {
    return absl::BytesToHexString(bytes);
  }
  return text;
}

std::vector<std::string> NamesOf(const X509* certificate) {
  bssl::UniquePtr<GENERAL_NAMES> names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  std::vector<std::string> shown;
  for (size_t i = 0; names && i < sk_GENERAL_NAME_num(names.get()); i++) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    switch (name->type) {
      case GEN_URI:
        shown.push_back(
            absl::StrCat("URI:", absl::CHexEscape(View(name->d.uniformResourceIdentifier))));
        break;
      case GEN_DNS:
        shown.push_back(absl::StrCat("DNS:", absl::CHexEscape(View(name->d.dNSName))));
        break;
      case GEN_EMAIL:
        shown.push_back(absl::StrCat("email:", absl::CHexEscape(View(name->d.rfc822Name))));
        break;
      case GEN_IPADD:
        shown.push_back(absl::StrCat("IP:", Address(View(name->d.iPAddress))));
        break;
      default:
        shown.push_back("another kind of name");
    }
  }
  ERR_clear_error();
  return shown;
}

std::vector<std::string> UsesOf(X509* certificate) {
  std::vector<std::string> uses;
  if ((X509_get_extension_flags(certificate) & EXFLAG_KUSAGE) != 0) {
    for (const auto& [bit, name] : kKeyUsages) {
      if ((X509_get_key_usage(certificate) & bit) != 0) uses.emplace_back(name);
    }
  }
  bssl::UniquePtr<EXTENDED_KEY_USAGE> extended(static_cast<EXTENDED_KEY_USAGE*>(
      X509_get_ext_d2i(certificate, NID_ext_key_usage, nullptr, nullptr)));
  for (size_t i = 0; extended && i < sk_ASN1_OBJECT_num(extended.get()); i++) {
    const ASN1_OBJECT* object = sk_ASN1_OBJECT_value(extended.get(), i);
    const int nid = OBJ_obj2nid(object);
    char number[80];
    if (nid != NID_undef) {
      uses.emplace_back(OBJ_nid2sn(nid));
    } else if (OBJ_obj2txt(number, sizeof(number), object, /*always_return_oid=*/1) > 0) {
      uses.emplace_back(number);
    }
  }
  ERR_clear_error();
  return uses;
}

CertificateDescription Describe(X509* certificate) {
  CertificateDescription shown;
  shown.subject = Printed(X509_get_subject_name(certificate));
  shown.issuer = Printed(X509_get_issuer_name(certificate));
  shown.serial = SerialHex(certificate);
  shown.not_before = NotBefore(certificate);
  shown.not_after = NotAfter(certificate);
  const bssl::UniquePtr<EVP_PKEY> key(X509_get_pubkey(certificate));
  const auto type = key ? AcceptedKeyType(key.get())
                        : absl::StatusOr<std::string>(absl::InvalidArgumentError("unreadable"));
  shown.key_type = type.ok() ? *type : absl::StrCat("unsupported: ", type.status().message());
  shown.key_id = absl::BytesToHexString(View(X509_get0_subject_key_id(certificate)));
  shown.authority_key_id = absl::BytesToHexString(View(X509_get0_authority_key_id(certificate)));
  uint8_t digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (X509_digest(certificate, EVP_sha256(), digest, &size)) {
    shown.sha256 =
        absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(digest), size));
  }
  shown.ca = (X509_get_extension_flags(certificate) & EXFLAG_CA) != 0;
  shown.path_length = static_cast<int>(X509_get_pathlen(certificate));
  shown.uses = UsesOf(certificate);
  shown.names = NamesOf(certificate);
  return shown;
}

}  // namespace

absl::StatusOr<std::vector<CertificateDescription>> DescribeCertificates(absl::string_view pem) {
  KITH_ASSIGN_OR_RETURN(const auto certificates, ParseCertificatesPem(pem));
  std::vector<CertificateDescription> described;
  for (const auto& certificate : certificates) described.push_back(Describe(certificate.get()));
  return described;
}

}  // namespace kith::x509
