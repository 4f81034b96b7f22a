// Certificates for tests, good ones and bad ones: a root, an optional intermediate, and leaves with
// any property a test wants to see refused.
// Threads: one at a time. Owns: its keys. Errors: none; it aborts on options it cannot express.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace kith::test {

enum class KeyType { kP256, kP384, kP224, kRsa1024, kRsa2048, kEd25519 };

// RFC 5280 §4.2.1.3; the value is the bit's number.
enum class KeyUsage {
  kDigitalSignature = 0,
  kKeyEncipherment = 2,
  kKeyAgreement = 4,
  kKeyCertSign = 5,
  kCrlSign = 6,
};

enum class ExtendedKeyUsage { kServerAuth, kClientAuth, kCodeSigning };

struct Credential {
  std::string certificate_pem = {};
  std::string chain_pem = {};  // The certificate, then its issuers up to, not including, the root.
  std::string key_pem = {};    // PKCS#8.
  std::string certificate_der = {};
};

// Every field has an initializer so that a designated one may leave the rest out under -Wextra.
// The defaults make a good X509-SVID once `uri_sans` names one SPIFFE ID.
struct CertificateOptions {
  // Taken byte for byte: a NUL or any other byte may be inside.
  std::vector<std::string> uri_sans = {};
  std::vector<std::string> dns_sans = {};
  std::vector<std::string> email_sans = {};
  std::vector<std::string> ip_sans = {};  // 4 or 16 bytes each, in network order.

  std::optional<absl::Time> not_before = {};  // Default: an hour before the CA's `now`.
  std::optional<absl::Time> not_after = {};   // Default: a day after it.

  bool ca = false;
  bool basic_constraints = true;  // Whether the extension is there at all.
  std::optional<int> path_length = {};

  std::vector<KeyUsage> key_usage = {KeyUsage::kDigitalSignature};  // Empty: no extension.
  bool key_usage_critical = true;
  std::vector<ExtendedKeyUsage> extended_key_usage = {
      ExtendedKeyUsage::kServerAuth, ExtendedKeyUsage::kClientAuth};  // Empty: no extension.

  // Unset: critical exactly when the subject is empty, as RFC 5280 asks.
  std::optional<bool> san_critical = {};
  std::string common_name = {};  // Empty: an empty subject.
  bool unknown_critical_extension = false;

  KeyType key_type = KeyType::kP256;
  std::string key_pem = {};  // Use this key and ignore `key_type`.
  // Certify the public key of this PKCS#10 request; the credential has no private key then.
  std::string request_pem = {};

  std::string serial = {};         // Big-endian bytes; empty: 16 random ones.
  bool corrupt_signature = false;  // One bit of it is flipped.
};

class TemporaryCa {
 public:
  struct Options {
    absl::Time now = absl::Now();
    bool intermediate = false;  // Leaves are issued by an intermediate.
    KeyType key_type = KeyType::kP256;
    std::string name = "kith test";  // In the subjects of root and intermediate.
  };

  TemporaryCa();
  explicit TemporaryCa(Options options);

  // Issued by the intermediate if there is one, otherwise by the root.
  Credential Leaf(const CertificateOptions& options) const;
  // A good leaf for one SPIFFE ID.
  Credential Leaf(absl::string_view spiffe_id) const;
  // Issued by any certificate, fit for it or not.
  Credential SignedBy(const Credential& issuer, const CertificateOptions& options) const;
  Credential SelfSigned(const CertificateOptions& options) const;

  const Credential& root() const { return root_; }
  // The root itself when there is no intermediate.
  const Credential& issuer() const { return issuer_; }
  const std::string& root_pem() const { return root_.certificate_pem; }

 private:
  Credential Make(const CertificateOptions& options, const Credential* issuer) const;

  Options options_;
  Credential root_;
  Credential issuer_;
};

// What a CA's own certificate looks like; change it for a bad one.
CertificateOptions CaCertificate(absl::string_view common_name);

// An unencrypted PKCS#8 key, PEM.
std::string MakeKeyPem(KeyType type = KeyType::kP256);

// A PKCS#10 request, PEM, for tests of what a CA reads of one.
struct RequestOptions {
  std::string key_pem = {};  // Empty: a new P-256 key.
  KeyType key_type = KeyType::kP256;
  std::vector<std::string> uri_sans = {};
  std::vector<std::string> dns_sans = {};
  std::string common_name = {};
  bool ask_for_ca = false;  // Asks for CA:TRUE and keyCertSign.
  bool corrupt_signature = false;
};
std::string MakeRequestPem(const RequestOptions& options);

}  // namespace kith::test
