// A certificate authority without a control plane: makes one, and signs requests with it, in PEM.
// Threads: any. Owns: nothing. Errors: INVALID_ARGUMENT for what was given. Messages never hold key
// material.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "source/x509/certificate_builder.h"
#include "source/x509/key_type.h"

namespace kith::x509 {

struct KeyPair {
  std::string certificate_pem;
  std::string key_pem;  // Secret.
};

struct AuthoritySpec {
  KeyType key_type = KeyType::kP256;
  std::string trust_domain;
  std::string common_name;  // Empty: "Kith root" and a part of the key's identifier.
  absl::Time now;
  absl::Duration lifetime;
  // Of an intermediate that signs instead of the root. Zero makes none.
  absl::Duration intermediate_lifetime;
};
struct Authority {
  KeyPair root;
  std::optional<KeyPair> intermediate;  // May sign leaves only.
};
absl::StatusOr<Authority> MakeAuthority(const AuthoritySpec& spec);

struct LeafRequest {
  absl::string_view ca_chain_pem;  // The signing certificate first.
  absl::string_view ca_key_pem;
  absl::string_view csr;
  // `kind` and the names are used; the times are cut to the signer's.
  CertificateSpec spec;
};
// The certificate and its chain up to, not including, the root.
absl::StatusOr<std::string> SignRequest(const LeafRequest& request, absl::Time now);

}  // namespace kith::x509
