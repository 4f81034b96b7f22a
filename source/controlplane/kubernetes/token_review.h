// Believes the tokens of Kubernetes' service accounts by asking the API server (TokenReview).
// Threads: any, at once; a token that is not in the memory blocks its caller for one request.
// Owns: what it remembers: digests of tokens that were good, for a short time, and a bounded number
// of them. The client must outlive it.
// Errors: UNAUTHENTICATED with a Refusal, as every verifier; UNAVAILABLE when the API server cannot
// be asked: the sidecar tries again.
#pragma once

#include <cstddef>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "source/base/clock.h"
#include "source/controlplane/ca/caller.h"
#include "source/controlplane/ca/token_verifier.h"
#include "source/kubernetes/api_client.h"

namespace kith::controlplane {

class TokenReviewVerifier final : public TokenVerifier {
 public:
  struct Options {
    const kubernetes::ApiClient* client = nullptr;
    std::string audience = "kith-ca";
    // A pod that is deleted is believed for so long at most.
    absl::Duration remembered = absl::Seconds(10);
    size_t max_remembered = 10'000;
    const base::Clock* clock = &base::Clock::System();
  };
  explicit TokenReviewVerifier(Options options) : options_(std::move(options)) {}

  absl::StatusOr<Caller> Verify(absl::string_view token) const override;

 private:
  struct Known {
    Caller caller;
    absl::Time until;
  };
  absl::StatusOr<Caller> Ask(absl::string_view token) const;

  const Options options_;
  mutable std::mutex mutex_;                               // Guards known_.
  mutable absl::flat_hash_map<std::string, Known> known_;  // By the token's SHA-256.
};

// A token that says it is of one of `local_issuers` goes to `local`, every other to `cluster`. What
// it says only chooses who is to prove it.
class EitherVerifier final : public TokenVerifier {
 public:
  EitherVerifier(const TokenVerifier& local, std::vector<std::string> local_issuers,
                 const TokenVerifier& cluster)
      : local_(local), local_issuers_(std::move(local_issuers)), cluster_(cluster) {}
  absl::StatusOr<Caller> Verify(absl::string_view token) const override;

 private:
  const TokenVerifier& local_;
  const std::vector<std::string> local_issuers_;
  const TokenVerifier& cluster_;
};

}  // namespace kith::controlplane
