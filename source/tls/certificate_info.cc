#include "source/tls/certificate_info.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/digest.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "absl/strings/escaping.h"
#include "absl/strings/string_view.h"

namespace kith::tls {
namespace {

constexpr size_t kMaxName = 256;
constexpr size_t kMaxDnsNames = 8;
// RFC 5280 §4.1.2.2 allows 20 bytes; what is longer is cut, so that no peer chooses the size of a
// log line.
constexpr size_t kMaxSerial = 32;

std::string Hex(const ASN1_STRING* bytes) {
  absl::string_view text(reinterpret_cast<const char*>(ASN1_STRING_get0_data(bytes)),
                         static_cast<size_t>(ASN1_STRING_length(bytes)));
  while (text.size() > 1 && text.front() == '\0') text.remove_prefix(1);
  return text.empty() ? "00" : absl::BytesToHexString(text.substr(0, kMaxSerial));
}

std::string Sha256(const X509& certificate) {
  uint8_t digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (X509_digest(&certificate, EVP_sha256(), digest, &size) != 1) {
    ERR_clear_error();
    return "";
  }
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<char*>(digest), size));
}

std::vector<std::string> DnsNames(const X509& certificate) {
  std::vector<std::string> names;
  bssl::UniquePtr<GENERAL_NAMES> found(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr)));
  if (found == nullptr) ERR_clear_error();
  for (size_t i = 0; found != nullptr && i < sk_GENERAL_NAME_num(found.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(found.get(), i);
    if (name->type != GEN_DNS || names.size() == kMaxDnsNames) continue;
    const absl::string_view text(
        reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName)),
        static_cast<size_t>(ASN1_STRING_length(name->d.dNSName)));
    names.emplace_back(text.substr(0, kMaxName));
  }
  return names;
}

}  // namespace

absl::Time ToTime(const ASN1_TIME* time) {
  bssl::UniquePtr<ASN1_TIME> epoch(ASN1_TIME_set(nullptr, 0));
  int days = 0;
  int seconds = 0;
  if (time == nullptr || epoch == nullptr ||
      ASN1_TIME_diff(&days, &seconds, epoch.get(), time) != 1) {
    ERR_clear_error();
    return absl::InfinitePast();
  }
  return absl::UnixEpoch() + days * absl::Hours(24) + absl::Seconds(seconds);
}

std::string NameText(const X509_NAME* name) {
  bssl::UniquePtr<BIO> out(BIO_new(BIO_s_mem()));
  const uint8_t* bytes = nullptr;
  size_t size = 0;
  if (out == nullptr || X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253) < 0 ||
      BIO_mem_contents(out.get(), &bytes, &size) != 1) {
    ERR_clear_error();
    return "(unreadable)";
  }
  absl::string_view text(reinterpret_cast<const char*>(bytes), size);
  if (text.size() <= kMaxName) return std::string(text);
  return std::string(text.substr(0, kMaxName)) + "...";
}

std::string IssuerKeyId(const X509& certificate) {
  // It fills a cache inside the certificate, under a lock.
  const ASN1_OCTET_STRING* id = X509_get0_authority_key_id(const_cast<X509*>(&certificate));
  return id == nullptr ? "" : Hex(id);
}

CertificateInfo Describe(const X509& certificate) {
  CertificateInfo info;
  info.serial = Hex(X509_get0_serialNumber(&certificate));
  info.subject = NameText(X509_get_subject_name(&certificate));
  info.issuer = NameText(X509_get_issuer_name(&certificate));
  info.not_before = ToTime(X509_get0_notBefore(&certificate));
  info.not_after = ToTime(X509_get0_notAfter(&certificate));
  // It fills a cache inside the certificate, under a lock.
  const ASN1_OCTET_STRING* key_id = X509_get0_subject_key_id(const_cast<X509*>(&certificate));
  if (key_id != nullptr) info.key_id = Hex(key_id);
  info.issuer_key_id = IssuerKeyId(certificate);
  info.sha256 = Sha256(certificate);
  info.dns_names = DnsNames(certificate);
  return info;
}

}  // namespace kith::tls
