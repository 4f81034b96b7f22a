// What a certificate says, read with BoringSSL and none of the code under test.
// Threads: one at a time. Owns: nothing beyond what it returns. Errors: test failures.
#pragma once

#include <openssl/base.h>
#include <openssl/x509.h>

#include <string>
#include <vector>

#include "absl/time/time.h"

namespace kith::controlplane {

struct CertificateText {
  int version = 0;  // As people count: 3.
  std::string serial_der;
  std::string subject;
  std::vector<std::string> uris;
  std::vector<std::string> dns_names;
  bool san_critical = false;
  bool basic_constraints = false;
  bool basic_constraints_critical = false;
  bool ca = false;
  uint32_t key_usage = 0;
  bool key_usage_critical = false;
  std::vector<int> extended_key_usage;  // NIDs.
  std::string subject_key_id;
  std::string authority_key_id;
};

std::vector<bssl::UniquePtr<X509>> ReadCertificates(const std::string& pem);
CertificateText Read(const std::string& pem);

enum class Role { kServer, kClient };
// "ok" or BoringSSL's error for the chain as a peer receives it.
std::string VerifyChain(const std::string& chain_pem, const std::string& roots_pem, absl::Time now,
                        Role role);

// Whether the private key belongs to the certificate.
bool IsKeyOf(const std::string& key_pem, const std::string& certificate_pem);

}  // namespace kith::controlplane
