// What the certificate authority is told, with defaults filled in and checked.
// Threads: a plain value. Owns: nothing.
// Errors: INVALID_ARGUMENT that names the field of the configuration and what it may be.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "kith/config/v1/controlplane.pb.h"
#include "source/base/clock.h"
#include "source/controlplane/ca/audit_log.h"
#include "source/controlplane/ca/state_directory.h"
#include "source/x509/key_type.h"

namespace kith::controlplane {

struct AuthorityOptions {
  // Both must outlive the authority.
  const StateDirectory* state = nullptr;
  AuditLog* audit = nullptr;
  const base::Clock* clock = &base::Clock::System();

  std::string trust_domain = "cluster.local";
  std::string root_namespace = "istio-system";  // Of the control plane's own identity.

  // Brought by the user, all or none.
  std::string certificate_file = {};
  std::string key_file = {};
  std::string root_file = {};

  x509::KeyType key_type = x509::KeyType::kP256;  // Of a root or an intermediate made here.
  // In leaves; "{issuer}" stands for the key id of who signs.
  std::vector<std::string> ocsp_urls = {};
  std::vector<std::string> crl_urls = {};

  absl::Duration root_lifetime = absl::Hours(24 * 3650);  // Of a root made here.
  // A root made here is rotated when so much of its life is left. Zero: never by itself.
  // Negative, the default: a third of it.
  absl::Duration rotate_before_end = -absl::InfiniteDuration();
  absl::Duration intermediate_lifetime = absl::ZeroDuration();  // Zero: the root signs leaves.
  absl::Duration default_leaf_lifetime = absl::Hours(24);
  absl::Duration max_leaf_lifetime = absl::Hours(24);
  absl::Duration min_leaf_lifetime = absl::Seconds(1);
  absl::Duration backdate = absl::Minutes(2);

  // Of the settings under `ca` and the trust domain; `state` and the other pointers are not set.
  static absl::StatusOr<AuthorityOptions> From(const kith::config::v1::ControlPlaneConfig& config);
};

}  // namespace kith::controlplane
