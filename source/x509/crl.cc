#include "source/x509/crl.h"

#include <openssl/bytestring.h>
#include <openssl/nid.h>

#include <array>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "source/base/status.h"
#include "source/x509/crypto.h"
#include "source/x509/der.h"

namespace kith::x509 {
namespace {

constexpr std::array<std::pair<RevocationReason, absl::string_view>, 6> kReasons = {{
    {RevocationReason::kUnspecified, "unspecified"},
    {RevocationReason::kKeyCompromise, "keyCompromise"},
    {RevocationReason::kAffiliationChanged, "affiliationChanged"},
    {RevocationReason::kSuperseded, "superseded"},
    {RevocationReason::kCessationOfOperation, "cessationOfOperation"},
    {RevocationReason::kPrivilegeWithdrawn, "privilegeWithdrawn"},
}};
constexpr unsigned kExplicit0 = CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 0;
constexpr size_t kPemLine = 64;

// ENUMERATED, RFC 5280 §5.3.1.
std::string ReasonDer(RevocationReason reason) {
  return std::string({'\x0a', '\x01', static_cast<char>(reason)});
}

bool AddRevoked(CBB* list, const RevokedCertificate& revoked) {
  CBB entry;
  CBB extensions;
  return CBB_add_asn1(list, &entry, CBS_ASN1_SEQUENCE) && AddSerial(&entry, revoked.serial) &&
         AddTime(&entry, revoked.at) &&
         // "unspecified" is said by leaving the extension out.
         (revoked.reason == RevocationReason::kUnspecified ||
          (CBB_add_asn1(&entry, &extensions, CBS_ASN1_SEQUENCE) &&
           AddExtension(&extensions, NID_crl_reason, ReasonDer(revoked.reason)))) &&
         CBB_flush(list);
}

absl::StatusOr<std::string> AuthorityKeyIdentifier(const std::string& id) {
  bssl::ScopedCBB value;
  CBB sequence;
  CBB key;
  if (!CBB_init(value.get(), 32) || !CBB_add_asn1(value.get(), &sequence, CBS_ASN1_SEQUENCE) ||
      !CBB_add_asn1(&sequence, &key, CBS_ASN1_CONTEXT_SPECIFIC | 0) ||
      !CBB_add_bytes(&key, reinterpret_cast<const uint8_t*>(id.data()), id.size())) {
    return CryptoError("encode a key identifier");
  }
  return Finish(value.get(), "encode a key identifier");
}

absl::StatusOr<std::string> CrlNumber(uint64_t number) {
  bssl::ScopedCBB value;
  if (!CBB_init(value.get(), 16) || !CBB_add_asn1_uint64(value.get(), number)) {
    return CryptoError("encode a revocation list's number");
  }
  return Finish(value.get(), "encode a revocation list's number");
}

absl::StatusOr<std::string> ToBeSigned(const CrlSpec& spec, const Issuer& issuer) {
  KITH_ASSIGN_OR_RETURN(const std::string number, CrlNumber(spec.number));
  std::string authority;
  if (!issuer.key_identifier.empty()) {
    KITH_ASSIGN_OR_RETURN(authority, AuthorityKeyIdentifier(issuer.key_identifier));
  }
  bssl::ScopedCBB out;
  CBB list;
  CBB revoked;
  CBB wrapper;
  CBB extensions;
  bool good = CBB_init(out.get(), 256 + 48 * spec.revoked.size()) &&
              CBB_add_asn1(out.get(), &list, CBS_ASN1_SEQUENCE) &&
              CBB_add_asn1_uint64(&list, 1) &&  // Version 2.
              AddSignatureAlgorithm(&list, issuer.key.get()) &&
              CBB_add_bytes(&list, reinterpret_cast<const uint8_t*>(issuer.name_der.data()),
                            issuer.name_der.size()) &&
              AddTime(&list, spec.this_update) && AddTime(&list, spec.next_update);
  // An empty list must be left out rather than be empty.
  if (good && !spec.revoked.empty()) {
    good = CBB_add_asn1(&list, &revoked, CBS_ASN1_SEQUENCE);
    for (size_t i = 0; good && i < spec.revoked.size(); i++) {
      good = AddRevoked(&revoked, spec.revoked[i]);
    }
    good = good && CBB_flush(&list);
  }
  good =
      good && CBB_add_asn1(&list, &wrapper, kExplicit0) &&
      CBB_add_asn1(&wrapper, &extensions, CBS_ASN1_SEQUENCE) &&
      (authority.empty() || AddExtension(&extensions, NID_authority_key_identifier, authority)) &&
      AddExtension(&extensions, NID_crl_number, number);
  if (!good) return CryptoError("encode a revocation list");
  return Finish(out.get(), "encode a revocation list");
}

}  // namespace

absl::string_view Name(RevocationReason reason) {
  for (const auto& [value, name] : kReasons) {
    if (value == reason) return name;
  }
  return kReasons.front().second;
}

absl::StatusOr<RevocationReason> ParseRevocationReason(absl::string_view name) {
  for (const auto& [value, known] : kReasons) {
    if (known == name) return value;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("reason \"", absl::CHexEscape(name.substr(0, 40)), "\" is not one of ",
                   absl::StrJoin(kReasons, ", ", [](std::string* out, const auto& each) {
                     absl::StrAppend(out, each.second);
                   })));
}

absl::StatusOr<std::string> BuildCrl(const CrlSpec& spec, const Issuer& issuer) {
  KITH_ASSIGN_OR_RETURN(const std::string tbs, ToBeSigned(spec, issuer));
  bssl::ScopedCBB out;
  CBB sequence;
  if (!CBB_init(out.get(), tbs.size() + 128) ||
      !CBB_add_asn1(out.get(), &sequence, CBS_ASN1_SEQUENCE) ||
      !AddSigned(&sequence, tbs, issuer.key.get())) {
    return CryptoError("sign a revocation list");
  }
  return Finish(out.get(), "sign a revocation list");
}

std::string CrlPem(absl::string_view der) {
  const std::string base64 = absl::Base64Escape(der);
  std::string pem = "-----BEGIN X509 CRL-----\n";
  for (size_t at = 0; at < base64.size(); at += kPemLine) {
    absl::StrAppend(&pem, absl::string_view(base64).substr(at, kPemLine), "\n");
  }
  return pem + "-----END X509 CRL-----\n";
}

}  // namespace kith::x509
