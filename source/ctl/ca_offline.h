// kithctl ca init, sign-csr and export: a certificate authority without a control plane, in files.
// Threads: one. Owns: nothing. Keys are written with mode 0600 and never over a file that is there.
// Errors: INVALID_ARGUMENT for what was given; ALREADY_EXISTS for a file that is in the way.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "source/ctl/output.h"

namespace kith::ctl {

struct CaInit {
  std::string directory;  // Made with mode 0700 when it is not there.
  std::string key_type = "P-256";
  std::string common_name;  // Empty: made of the key's identifier.
  std::string trust_domain = "cluster.local";
  int days = 3650;
  // Of an intermediate that signs instead of the root, whose key can then be put away; zero makes
  // none.
  int intermediate_days = 0;
};
// root-cert.pem and root-key.pem; with an intermediate ca-cert.pem and ca-key.pem besides.
absl::Status InitCa(const CaInit& request, absl::Time now, Output output);

struct CsrSigning {
  std::string ca_certificate_file;  // The signing certificate first, then its chain.
  std::string ca_key_file;
  std::string csr_file;
  std::string spiffe_id;
  std::vector<std::string> dns_names;
  std::string kind = "workload";  // workload, server or client.
  std::string lifetime = "24h";
  std::string out;  // Standard output when empty.
};
// Writes the certificate and its chain up to, not including, the root.
absl::Status SignCsr(const CsrSigning& request, absl::Time now);

struct Export {
  std::string certificate_file;  // With its chain.
  std::string key_file;
  std::string password_file;  // Its first line; empty asks the terminal, or reads standard input.
  std::string name = "kith";
  std::string out;
};
absl::Status ExportPkcs12(const Export& request);

// Certificates of a PEM file.
absl::Status Inspect(const std::string& file, absl::Time now, Output output);

}  // namespace kith::ctl
