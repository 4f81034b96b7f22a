// Makes tokens for machines without Kubernetes, with the claims of Kubernetes' service-account
// tokens, each written to the audit log before it leaves.
// Threads: any, at once. Owns: a share of the key. The audit log must outlive it.
// Errors: INVALID_ARGUMENT for names or lifetimes that cannot be; UNAVAILABLE when the audit log
// cannot be written. Tokens are secrets: they never go into a log.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "kith/config/v1/controlplane.pb.h"
#include "source/base/clock.h"
#include "source/controlplane/ca/audit_log.h"
#include "source/controlplane/ca/token_key.h"

namespace kith::controlplane {

struct IssuedToken {
  std::string token;
  std::string token_id;  // Its jti.
  absl::Time expires;
};

class TokenIssuer {
 public:
  struct Options {
    std::shared_ptr<const TokenKey> key = nullptr;
    AuditLog* audit = nullptr;
    const base::Clock* clock = &base::Clock::System();
    std::string trust_domain = "cluster.local";  // For the audit log.
    std::string issuer = "kith";
    std::string audience = "kith-ca";
    absl::Duration max_ttl = absl::Hours(24 * 365);
    absl::Duration joined_ttl = absl::Hours(24 * 7);  // Of CreateJoined().

    // Of the settings under `tokens` and the trust domain; key and audit are not set.
    static absl::StatusOr<Options> From(const kith::config::v1::ControlPlaneConfig& config);
  };
  explicit TokenIssuer(Options options) : options_(std::move(options)) {}

  // `peer`: where the wish came from, for the audit log.
  absl::StatusOr<IssuedToken> Create(absl::string_view name_space,
                                     absl::string_view service_account, absl::Duration ttl,
                                     absl::string_view peer) const;
  // For a caller that joined: it is given another one at half of its life.
  absl::StatusOr<IssuedToken> CreateJoined(absl::string_view name_space,
                                           absl::string_view service_account,
                                           absl::string_view peer) const;

  const Options& options() const { return options_; }

 private:
  struct Wish {
    absl::string_view name_space;
    absl::string_view service_account;
    absl::Duration ttl;
    absl::string_view peer;
    bool joined = false;
  };
  absl::StatusOr<IssuedToken> Make(const Wish& wish) const;

  Options options_;
};

}  // namespace kith::controlplane
