// Certificate revocation lists (RFC 5280 §5): read once, then asked in every handshake and, when
// new ones come, about every live connection.
// Threads: immutable to callers; what was verified of a list is remembered under its own lock.
// Owns: the lists. Errors: INVALID_ARGUMENT that says what a list lacks or has too much of. A list
// that this code cannot apply in full (a delta, an indirect one, an unknown critical extension) is
// refused instead of half understood.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

typedef struct X509_crl_st X509_CRL;
typedef struct x509_st X509;

namespace kith::tls {

// What a certificate must show before it is accepted.
enum class RevocationMode : uint8_t {
  kOff,   // Lists are not read.
  kSoft,  // On no list. Without a list, or with one that is out of date, it is accepted.
  kHard,  // On no list, and a list of its issuer that is in force says so.
};

// One certificate as the lists of its issuer name it.
struct CertificateKey {
  std::string issuer;      // Its name, in a form that equal names share.
  std::string serial;      // Big-endian.
  std::string issuer_key;  // SubjectPublicKeyInfo of who may sign the list; empty: nobody may.
  bool is_ca = false;
};
CertificateKey KeyOf(const X509& certificate, const X509& issuer);
// Of a verified chain without its root, the leaf first.
using ChainKeys = std::vector<CertificateKey>;

class Crl {
 public:
  // DER, at most 4 MiB.
  static absl::StatusOr<std::shared_ptr<const Crl>> Parse(absl::string_view der);
  ~Crl();
  Crl(const Crl&) = delete;
  Crl& operator=(const Crl&) = delete;

  const std::string& issuer() const { return issuer_; }
  const std::string& issuer_text() const { return issuer_text_; }  // For people.
  absl::Time this_update() const { return this_update_; }
  absl::Time next_update() const { return next_update_; }
  size_t size() const { return entries_.size(); }

  bool IsInForce(absl::Time now) const;
  // Whether it speaks of such a certificate at all.
  bool Covers(const CertificateKey& key) const;
  // When the certificate was revoked; null when it is not on the list.
  const absl::Time* Find(absl::string_view serial) const;
  bool IsSignedBy(const std::string& public_key) const;
  // Whether it bears the CA's name, and then the CA's signature.
  enum class Claim : uint8_t { kOfAnother, kTrue, kFalse };
  Claim ClaimToBeOf(const X509& ca) const;

 private:
  struct Entry {
    std::string serial;
    absl::Time revoked;
  };
  Crl() = default;
  absl::Status Read();

  X509_CRL* crl_ = nullptr;
  std::string issuer_;
  std::string issuer_text_;
  absl::Time this_update_;
  absl::Time next_update_;
  bool only_leaves_ = false;
  bool only_cas_ = false;
  std::vector<Entry> entries_;  // By serial.
  // Checking a signature costs as much as a part of a handshake: once per list and key.
  mutable std::mutex mutex_;
  mutable std::vector<std::string> signers_;      // Keys that have signed it.
  mutable std::vector<std::string> not_signers_;  // Keys that have not.
};

using Crls = std::vector<std::shared_ptr<const Crl>>;

// The lists of a file: PEM, any number, or a single one in DER.
absl::StatusOr<Crls> ParseCrls(absl::string_view file);

class RevocationLists {
 public:
  static constexpr size_t kMaxLists = 256;

  explicit RevocationLists(const Crls& lists);

  enum class Standing : uint8_t { kGood, kRevoked, kUnknown };
  struct Finding {
    Standing standing = Standing::kGood;
    std::string detail;  // For logs: which certificate, and why.
  };
  // kRevoked if any certificate of the chain is, also by a list out of date; kUnknown if one has no
  // list in force.
  Finding Check(const ChainKeys& chain, absl::Time now) const;
  bool empty() const { return by_issuer_.empty(); }
  size_t size() const;

 private:
  absl::flat_hash_map<std::string, Crls> by_issuer_;
};

}  // namespace kith::tls
