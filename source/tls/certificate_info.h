// What logs, metrics and status say of one certificate.
// Threads: any; pure. Owns: the text it makes.
// Errors: none; a time that cannot be read is the infinite past, text is escaped and bounded.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"

typedef struct asn1_string_st ASN1_TIME;
typedef struct x509_st X509;
typedef struct X509_name_st X509_NAME;

namespace kith::tls {

struct CertificateInfo {
  std::string serial;  // Lower-case hex, no leading zeros beyond a byte.
  std::string subject;
  std::string issuer;
  absl::Time not_before;
  absl::Time not_after;
  std::string key_id;         // Of its subject's key, lower-case hex; empty if it names none.
  std::string issuer_key_id;  // Of the key that signed it, likewise.
  std::string sha256;         // Of the whole certificate, lower-case hex.
  std::vector<std::string> dns_names;  // A few; not checked in any way.
};

CertificateInfo Describe(const X509& certificate);

absl::Time ToTime(const ASN1_TIME* time);
// RFC 2253's form; every byte that is not printable ASCII is escaped.
std::string NameText(const X509_NAME* name);
// The key id by which the certificate names its issuer, in hex; empty if it names none.
std::string IssuerKeyId(const X509& certificate);

}  // namespace kith::tls
