#include "source/tls/revocation.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bytestring.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/obj.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "source/tls/certificate_info.h"

namespace kith::tls {
namespace {

constexpr size_t kMaxBytes = size_t{4} * 1024 * 1024;
constexpr size_t kMaxFileBytes = 4 * kMaxBytes;
// Of the clocks of who signs lists and who reads them.
constexpr absl::Duration kSkew = absl::Minutes(5);
// A list has one signer; a few names may share a key id during a rotation.
constexpr size_t kMaxRemembered = 8;
constexpr size_t kMaxShownSerial = 32;

absl::string_view Bytes(const ASN1_STRING* text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
          static_cast<size_t>(ASN1_STRING_length(text))};
}

std::string SerialOf(const ASN1_INTEGER* serial) {
  absl::string_view bytes = Bytes(serial);
  while (bytes.size() > 1 && bytes.front() == '\0') bytes.remove_prefix(1);
  return absl::StrCat(ASN1_STRING_type(serial) == V_ASN1_NEG_INTEGER ? "-" : "", bytes);
}

// Names are equal without regard to case and to the kind of string (RFC 5280 §7.1); lists are
// looked up by a form in which that has been levelled.
std::string Level(const X509_NAME* name) {
  std::string level;
  for (int i = 0; i < X509_NAME_entry_count(name); ++i) {
    const X509_NAME_ENTRY* entry = X509_NAME_get_entry(name, i);
    const ASN1_OBJECT* object = X509_NAME_ENTRY_get_object(entry);
    level.append(reinterpret_cast<const char*>(OBJ_get0_data(object)), OBJ_length(object));
    uint8_t* utf8 = nullptr;
    const int size = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(entry));
    bssl::UniquePtr<uint8_t> owned(size >= 0 ? utf8 : nullptr);
    std::string value = size >= 0
                            ? std::string(reinterpret_cast<char*>(utf8), static_cast<size_t>(size))
                            : std::string(Bytes(X509_NAME_ENTRY_get_data(entry)));
    absl::RemoveExtraAsciiWhitespace(&value);
    absl::StrAppend(&level, "=", absl::AsciiStrToLower(value), "\n");
  }
  ERR_clear_error();
  return level;
}

std::string PublicKeyOf(const X509& certificate) {
  uint8_t* der = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(&certificate), &der);
  bssl::UniquePtr<uint8_t> owned(size > 0 ? der : nullptr);
  ERR_clear_error();
  return size > 0 ? std::string(reinterpret_cast<char*>(der), static_cast<size_t>(size)) : "";
}

absl::Status Unusable(absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("revocation list: ", why));
}

std::string Shown(const CertificateKey& key) {
  return absl::StrCat(key.is_ca ? "the certificate of its issuer, serial " : "its certificate, ",
                      key.is_ca ? "" : "serial ",
                      absl::BytesToHexString(key.serial.substr(0, kMaxShownSerial)));
}

std::string Utc(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

bool Remembers(const std::vector<std::string>& keys, const std::string& key) {
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

}  // namespace

CertificateKey KeyOf(const X509& certificate, const X509& issuer) {
  CertificateKey key;
  key.issuer = Level(X509_get_issuer_name(&certificate));
  key.serial = SerialOf(X509_get0_serialNumber(&certificate));
  // The getters fill a cache inside the certificate, under its lock; hence not const for them.
  auto* signer = const_cast<X509*>(&issuer);
  const uint32_t flags = X509_get_extension_flags(signer);
  const bool may_sign =
      (flags & EXFLAG_KUSAGE) == 0 || (X509_get_key_usage(signer) & KU_CRL_SIGN) != 0;
  if (may_sign) key.issuer_key = PublicKeyOf(issuer);
  key.is_ca = (X509_get_extension_flags(const_cast<X509*>(&certificate)) & EXFLAG_CA) != 0;
  ERR_clear_error();
  return key;
}

absl::StatusOr<std::shared_ptr<const Crl>> Crl::Parse(absl::string_view der) {
  if (der.size() > kMaxBytes) {
    return Unusable(absl::StrCat("it has ", der.size(), " bytes, more than ", kMaxBytes));
  }
  std::shared_ptr<Crl> list(new Crl());
  const auto* at = reinterpret_cast<const uint8_t*>(der.data());
  const uint8_t* const end = at + der.size();
  list->crl_ = d2i_X509_CRL(nullptr, &at, static_cast<long>(der.size()));  // NOLINT: its type.
  const bool whole = list->crl_ != nullptr && at == end;
  ERR_clear_error();
  if (!whole) return Unusable("its DER is malformed");
  absl::Status read = list->Read();
  ERR_clear_error();
  if (!read.ok()) return read;
  return std::shared_ptr<const Crl>(std::move(list));
}

Crl::~Crl() { X509_CRL_free(crl_); }

absl::Status Crl::Read() {
  X509_CRL* crl = crl_;
  issuer_ = Level(X509_CRL_get_issuer(crl));
  issuer_text_ = NameText(X509_CRL_get_issuer(crl));
  if (issuer_.empty()) return Unusable("it names no issuer");
  this_update_ = ToTime(X509_CRL_get0_lastUpdate(crl));
  next_update_ = X509_CRL_get0_nextUpdate(crl) == nullptr ? absl::InfinitePast()
                                                          : ToTime(X509_CRL_get0_nextUpdate(crl));
  int digest = NID_undef;
  if (OBJ_find_sigid_algs(X509_CRL_get_signature_nid(crl), &digest, nullptr) == 0 ||
      digest == NID_sha1 || digest == NID_md5 || digest == NID_md4) {
    return Unusable("it is signed with an algorithm weaker than SHA-256, or an unknown one");
  }
  for (int i = 0; i < X509_CRL_get_ext_count(crl); ++i) {
    X509_EXTENSION* extension = X509_CRL_get_ext(crl, i);
    const int nid = OBJ_obj2nid(X509_EXTENSION_get_object(extension));
    if (nid == NID_delta_crl) return Unusable("it is a delta; publish whole ones");
    if (X509_EXTENSION_get_critical(extension) != 0 && nid != NID_issuing_distribution_point) {
      return Unusable("it has a critical extension that is not understood");
    }
  }
  int critical = -1;
  const std::unique_ptr<ISSUING_DIST_POINT, decltype(&ISSUING_DIST_POINT_free)> point(
      static_cast<ISSUING_DIST_POINT*>(
          X509_CRL_get_ext_d2i(crl, NID_issuing_distribution_point, &critical, nullptr)),
      &ISSUING_DIST_POINT_free);
  if (point == nullptr && critical != -1) return Unusable("its distribution point is malformed");
  if (point != nullptr) {
    if (point->indirectCRL != 0 || point->onlyattr != 0 || point->onlysomereasons != nullptr) {
      return Unusable("it is indirect or covers some reasons only; publish whole ones");
    }
    only_leaves_ = point->onlyuser != 0;
    only_cas_ = point->onlyCA != 0;
  }
  STACK_OF(X509_REVOKED)* revoked = X509_CRL_get_REVOKED(crl);
  const size_t count = revoked == nullptr ? 0 : sk_X509_REVOKED_num(revoked);
  entries_.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    const X509_REVOKED* entry = sk_X509_REVOKED_value(revoked, i);
    if (X509_REVOKED_get_ext_by_critical(entry, 1, -1) >= 0) {
      return Unusable("an entry of it has a critical extension that is not understood");
    }
    entries_.push_back({SerialOf(X509_REVOKED_get0_serialNumber(entry)),
                        ToTime(X509_REVOKED_get0_revocationDate(entry))});
  }
  std::sort(entries_.begin(), entries_.end(),
            [](const Entry& a, const Entry& b) { return a.serial < b.serial; });
  return absl::OkStatus();
}

bool Crl::IsInForce(absl::Time now) const {
  return this_update_ <= now + kSkew && now < next_update_;
}

bool Crl::Covers(const CertificateKey& key) const { return key.is_ca ? !only_leaves_ : !only_cas_; }

const absl::Time* Crl::Find(absl::string_view serial) const {
  const auto entry =
      std::lower_bound(entries_.begin(), entries_.end(), serial,
                       [](const Entry& a, absl::string_view b) { return a.serial < b; });
  return entry != entries_.end() && entry->serial == serial ? &entry->revoked : nullptr;
}

bool Crl::IsSignedBy(const std::string& public_key) const {
  if (public_key.empty()) return false;
  const std::lock_guard<std::mutex> lock(mutex_);
  if (Remembers(signers_, public_key)) return true;
  if (Remembers(not_signers_, public_key)) return false;
  CBS cbs;
  CBS_init(&cbs, reinterpret_cast<const uint8_t*>(public_key.data()), public_key.size());
  bssl::UniquePtr<EVP_PKEY> key(EVP_parse_public_key(&cbs));
  const bool signed_by = key != nullptr && X509_CRL_verify(crl_, key.get()) == 1;
  ERR_clear_error();
  std::vector<std::string>& keys = signed_by ? signers_ : not_signers_;
  if (keys.size() == kMaxRemembered) keys.erase(keys.begin());
  keys.push_back(public_key);
  return signed_by;
}

Crl::Claim Crl::ClaimToBeOf(const X509& ca) const {
  if (Level(X509_get_subject_name(&ca)) != issuer_) return Claim::kOfAnother;
  return IsSignedBy(PublicKeyOf(ca)) ? Claim::kTrue : Claim::kFalse;
}

absl::StatusOr<Crls> ParseCrls(absl::string_view file) {
  if (file.size() > kMaxFileBytes) {
    return Unusable(
        absl::StrCat("the file has ", file.size(), " bytes, more than ", kMaxFileBytes));
  }
  Crls lists;
  if (!file.empty() && file.front() == '\x30') {
    auto list = Crl::Parse(file);
    if (!list.ok()) return list.status();
    lists.push_back(*std::move(list));
    return lists;
  }
  bssl::UniquePtr<BIO> in(BIO_new_mem_buf(file.data(), static_cast<int>(file.size())));
  while (in != nullptr && lists.size() <= RevocationLists::kMaxLists) {
    char* name = nullptr;
    char* header = nullptr;
    uint8_t* der = nullptr;
    long size = 0;  // NOLINT(google-runtime-int): PEM_read_bio's type.
    if (PEM_read_bio(in.get(), &name, &header, &der, &size) != 1) {
      const uint32_t error = ERR_peek_last_error();
      ERR_clear_error();
      const bool at_end =
          ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
      if (!at_end) return Unusable("a PEM block is malformed");
      break;
    }
    bssl::UniquePtr<char> owned_name(name);
    bssl::UniquePtr<char> owned_header(header);
    bssl::UniquePtr<uint8_t> owned_der(der);
    if (absl::string_view(name) != PEM_STRING_X509_CRL) {
      return Unusable("there is a PEM block of another kind; only \"X509 CRL\" belongs here");
    }
    auto list = Crl::Parse({reinterpret_cast<char*>(der), static_cast<size_t>(size)});
    if (!list.ok()) return list.status();
    lists.push_back(*std::move(list));
  }
  if (lists.empty()) return Unusable("the file holds none (-----BEGIN X509 CRL-----, or DER)");
  if (lists.size() > RevocationLists::kMaxLists) {
    return Unusable(absl::StrCat("the file holds more than ", RevocationLists::kMaxLists));
  }
  return lists;
}

RevocationLists::RevocationLists(const Crls& lists) {
  for (const std::shared_ptr<const Crl>& list : lists) by_issuer_[list->issuer()].push_back(list);
}

size_t RevocationLists::size() const {
  size_t lists = 0;
  for (const auto& [issuer, of_issuer] : by_issuer_) lists += of_issuer.size();
  return lists;
}

RevocationLists::Finding RevocationLists::Check(const ChainKeys& chain, absl::Time now) const {
  Finding finding;
  for (const CertificateKey& key : chain) {
    std::string missing = "there is no revocation list of its issuer";
    const auto lists = by_issuer_.find(key.issuer);
    if (lists != by_issuer_.end()) {
      for (const std::shared_ptr<const Crl>& list : lists->second) {
        if (!list->Covers(key)) continue;
        if (!list->IsSignedBy(key.issuer_key)) {
          if (!missing.empty())
            missing = "the revocation list in its issuer's name has another key";
          continue;
        }
        if (const absl::Time* revoked = list->Find(key.serial); revoked != nullptr) {
          return {Standing::kRevoked, absl::StrCat(Shown(key), ", was revoked by \"",
                                                   list->issuer_text(), "\" at ", Utc(*revoked))};
        }
        if (list->IsInForce(now)) {
          missing.clear();
        } else if (!missing.empty()) {
          missing = absl::StrCat("the revocation list of its issuer is not in force: it is of ",
                                 Utc(list->this_update()), " until ", Utc(list->next_update()),
                                 ", our clock says ", Utc(now));
        }
      }
    }
    if (!missing.empty() && finding.standing == Standing::kGood) {
      finding = {Standing::kUnknown, absl::StrCat(Shown(key), ": ", missing)};
    }
  }
  return finding;
}

}  // namespace kith::tls
