#include "source/tls/peer_certificate.h"

#include <openssl/asn1.h>
#include <openssl/bytestring.h>
#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/obj.h>
#include <openssl/pool.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"

namespace kith::tls {
namespace {

// Far above what certificates hold, and little enough to compare with every rule.
constexpr size_t kMaxValues = 64;
constexpr size_t kMaxValue = 1024;
constexpr char kCutOff[] = "...";

absl::string_view Bytes(const ASN1_STRING* string) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
          static_cast<size_t>(ASN1_STRING_length(string))};
}

// Appends, unless there are too many or it is too long.
bool Add(absl::string_view value, std::vector<std::string>& values) {
  if (values.size() == kMaxValues || value.size() > kMaxValue) return false;
  values.emplace_back(value);
  return true;
}

bool AddNames(const X509_NAME* name, int nid, std::vector<std::string>& values) {
  int at = -1;
  while ((at = X509_NAME_get_index_by_NID(name, nid, at)) >= 0) {
    const X509_NAME_ENTRY* const entry = X509_NAME_get_entry(name, at);
    uint8_t* utf8 = nullptr;
    const int size = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(entry));
    const bssl::UniquePtr<uint8_t> owned(utf8);
    if (size < 0) return false;
    if (!Add({reinterpret_cast<const char*>(utf8), static_cast<size_t>(size)}, values)) {
      return false;
    }
  }
  return true;
}

bool AddDnsNames(const X509& certificate, std::vector<std::string>& values) {
  int critical = 0;
  const bssl::UniquePtr<GENERAL_NAMES> names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(&certificate, NID_subject_alt_name, &critical, nullptr)));
  if (names == nullptr) return critical == -1;  // There is none.
  for (size_t i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_DNS && !Add(Bytes(name->d.dNSName), values)) return false;
  }
  return true;
}

// The text of a value that is one DER string and nothing else.
bool ReadString(absl::string_view der, absl::string_view& text) {
  CBS bytes, content;
  CBS_init(&bytes, reinterpret_cast<const uint8_t*>(der.data()), der.size());
  unsigned tag = 0;
  if (CBS_get_any_asn1(&bytes, &content, &tag) != 1 || CBS_len(&bytes) != 0) return false;
  if (tag != CBS_ASN1_UTF8STRING && tag != CBS_ASN1_PRINTABLESTRING && tag != CBS_ASN1_IA5STRING &&
      tag != CBS_ASN1_VISIBLESTRING) {
    return false;
  }
  text = {reinterpret_cast<const char*>(CBS_data(&content)), CBS_len(&content)};
  return true;
}

std::string ExtensionText(absl::string_view value) {
  absl::string_view text;
  if (ReadString(value, text)) return std::string(text);
  if (std::all_of(value.begin(), value.end(), absl::ascii_isprint)) return std::string(value);
  return absl::BytesToHexString(value);
}

bool AddExtensions(const X509& certificate,
                   std::vector<std::pair<std::string, std::string>>& extensions) {
  for (int i = 0; i < X509_get_ext_count(&certificate); ++i) {
    X509_EXTENSION* const extension = X509_get_ext(&certificate, i);
    char oid[128];
    const int size =
        OBJ_obj2txt(oid, sizeof(oid), X509_EXTENSION_get_object(extension), /*always_oid=*/1);
    if (size <= 0 || static_cast<size_t>(size) >= sizeof(oid)) return false;
    const absl::string_view value = Bytes(X509_EXTENSION_get_data(extension));
    if (extensions.size() == kMaxValues || value.size() > kMaxValue * 4) return false;
    extensions.emplace_back(std::string(oid, static_cast<size_t>(size)), ExtensionText(value));
  }
  return true;
}

bool Read(const X509& certificate, CertificateAttributes& attributes) {
  const X509_NAME* const subject = X509_get_subject_name(&certificate);
  return AddNames(subject, NID_commonName, attributes.common_names) &&
         AddNames(subject, NID_organizationName, attributes.organizations) &&
         AddNames(subject, NID_organizationalUnitName, attributes.units) &&
         AddDnsNames(certificate, attributes.dns_names) &&
         AddExtensions(certificate, attributes.extensions);
}

}  // namespace

absl::optional<CertificateAttributes> ReadAttributes(const Peer& peer) {
  if (peer.certificate == nullptr) return absl::nullopt;
  const bssl::UniquePtr<X509> certificate(X509_parse_from_buffer(peer.certificate.get()));
  CertificateAttributes attributes;
  const bool read = certificate != nullptr && Read(*certificate, attributes);
  ERR_clear_error();
  if (!read) return absl::nullopt;
  const absl::string_view serial = Bytes(X509_get0_serialNumber(certificate.get()));
  attributes.serial = absl::BytesToHexString(serial);
  attributes.serial.erase(
      0, std::min(attributes.serial.find_first_not_of('0'), attributes.serial.size() - 1));
  attributes.issuer = peer.leaf.issuer;
  attributes.fingerprint = peer.leaf.sha256;
  // What was cut off for logs is not what it says.
  if (absl::EndsWith(attributes.issuer, kCutOff) || attributes.fingerprint.empty()) {
    return absl::nullopt;
  }
  return attributes;
}

}  // namespace kith::tls
