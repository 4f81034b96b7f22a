// What a person asks of a certificate.
// Threads: any. Owns: plain values. Errors: INVALID_ARGUMENT for PEM that is wrong.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace kith::x509 {

struct CertificateDescription {
  std::string subject;  // RFC 2253; may be empty.
  std::string issuer;
  std::string serial;
  absl::Time not_before;
  absl::Time not_after;
  std::string key_type;          // "P-256"; "unsupported" with its reason for others.
  std::string key_id;            // Subject key identifier, hex; empty without the extension.
  std::string authority_key_id;  // Likewise.
  std::string sha256;            // Of the certificate's DER, hex.
  bool ca = false;
  int path_length = -1;           // Without a limit: -1.
  std::vector<std::string> uses;  // Key usages and extended ones, by RFC 5280's names.
  // "URI:spiffe://…", "DNS:…", "IP:…", "email:…"; bytes that are not printable are escaped.
  std::vector<std::string> names;
};

// Every certificate of the text, in its order.
absl::StatusOr<std::vector<CertificateDescription>> DescribeCertificates(absl::string_view pem);

}  // namespace kith::x509
