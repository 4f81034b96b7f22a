// Who is issued how much: a rate and a number of unanswered requests for each service account, and
// what the configuration allows each namespace.
// Threads: any; a mutex is held for each call. Owns: its counters, one entry a caller, bounded.
// Errors: From() names the field. Admit() carries a Refusal: RESOURCE_EXHAUSTED (rate_limited) for
// what goes later, PERMISSION_DENIED (not_allowed) for what never goes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "kith/config/v1/controlplane.pb.h"
#include "source/base/clock.h"
#include "source/controlplane/ca/caller.h"

namespace kith::controlplane {

class IssueBounds {
 public:
  static constexpr size_t kMaxCallers = 100'000;

  struct NamespaceBounds {
    absl::Duration max_leaf_lifetime = absl::InfiniteDuration();
    std::vector<std::string> key_types = {};         // Empty: any.
    std::vector<std::string> service_accounts = {};  // Empty: any.
    uint32_t max_certificates = 0;                   // In an interval. Zero: no bound.
    absl::Duration interval = absl::Hours(1);
  };
  struct Options {
    const base::Clock* clock = &base::Clock::System();
    double per_second = 100;
    double burst = 1000;
    uint32_t concurrent = 256;
    std::map<std::string, NamespaceBounds> namespaces = {};  // "*": those not named.

    static absl::StatusOr<Options> From(const kith::config::v1::ControlPlaneConfig& config);
  };

  // The right to be served; gives its place back when it goes.
  class Ticket {
   public:
    Ticket(Ticket&& other) noexcept;
    Ticket& operator=(Ticket&&) = delete;
    ~Ticket();

   private:
    friend class IssueBounds;
    Ticket(IssueBounds* bounds, std::string caller) : bounds_(bounds), caller_(std::move(caller)) {}
    IssueBounds* bounds_;
    std::string caller_;
  };

  explicit IssueBounds(Options options) : options_(std::move(options)) {}
  IssueBounds(const IssueBounds&) = delete;
  IssueBounds& operator=(const IssueBounds&) = delete;

  // `retry_after` is set when it is RESOURCE_EXHAUSTED.
  absl::StatusOr<Ticket> Admit(const Caller& caller, absl::Duration& retry_after);
  absl::Status CheckKeyType(const Caller& caller, absl::string_view key_type) const;
  bool ChecksKeyTypes(const Caller& caller) const;
  absl::Duration MaxLifetime(const Caller& caller) const;

 private:
  struct Meter {
    double tokens = 0;
    absl::Time filled;
    uint32_t open = 0;
  };
  struct Window {
    absl::Time begun = absl::InfinitePast();
    uint32_t certificates = 0;
  };

  const NamespaceBounds* BoundsOf(const std::string& name_space) const;
  Meter& MeterOf(const std::string& caller, absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Release(const std::string& caller);

  const Options options_;
  std::mutex mutex_;
  absl::flat_hash_map<std::string, Meter> meters_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, Window> windows_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace kith::controlplane
