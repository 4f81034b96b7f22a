// Single-use tokens by which a machine becomes a workload of the mesh: the first request for a
// certificate spends one and is given, with the certificate, a token of the usual kind to go on
// with.
// Kept in join-tokens.json of the state directory, by digest: who reads that file learns no token.
// Threads: any, at once. Owns: the list. State directory, audit log and clock must outlive it.
// Errors: Create() as TokenIssuer::Create(), RESOURCE_EXHAUSTED when too many are open. Redeem():
// UNAUTHENTICATED with a Refusal for a token that is unknown, spent or too old; UNAVAILABLE when
// its use cannot be recorded, and then it is not spent.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "source/base/clock.h"
#include "source/controlplane/ca/audit_log.h"
#include "source/controlplane/ca/caller.h"
#include "source/controlplane/ca/state_directory.h"
#include "source/controlplane/ca/token_verifier.h"

namespace kith::controlplane {

class JoinTokens {
 public:
  struct Options {
    const StateDirectory* state = nullptr;
    AuditLog* audit = nullptr;
    const base::Clock* clock = &base::Clock::System();
    std::string trust_domain = "cluster.local";
    absl::Duration max_ttl = absl::Hours(24 * 7);
    size_t max_open = 10'000;
  };
  static absl::StatusOr<std::unique_ptr<JoinTokens>> Open(Options options);

  struct Made {
    std::string token;  // Secret.
    std::string token_id;
    absl::Time expires;
  };
  // `peer`: where the wish came from, for the audit log.
  absl::StatusOr<Made> Create(absl::string_view name_space, absl::string_view service_account,
                              absl::Duration ttl, absl::string_view peer);

  // Spends the token: of any number of calls with it, one succeeds. On the disk before it returns.
  absl::StatusOr<Caller> Redeem(absl::string_view token);

 private:
  struct Entry {
    std::string name_space;
    std::string service_account;
    std::string token_id;
    absl::Time expires;
    absl::Time used = absl::InfiniteFuture();  // Kept until it expires, to tell a second use.
  };
  explicit JoinTokens(Options options) : options_(std::move(options)) {}
  absl::Status Read();
  absl::Status Write() const;
  void Prune(absl::Time now);

  const Options options_;
  std::mutex mutex_;
  std::map<std::string, Entry> entries_;  // By digest, hex. With the mutex.
};

// Join tokens, and those that `others` knows.
class JoiningVerifier final : public TokenVerifier {
 public:
  // Both must outlive it.
  JoiningVerifier(JoinTokens& joins, const TokenVerifier& others)
      : joins_(joins), others_(others) {}
  absl::StatusOr<Caller> Verify(absl::string_view token) const override;

 private:
  JoinTokens& joins_;
  const TokenVerifier& others_;
};

}  // namespace kith::controlplane
