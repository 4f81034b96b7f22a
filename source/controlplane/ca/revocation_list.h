// What is revoked: certificates by serial number, until they end, and principals, to whom nothing
// is issued until the block is taken back. Kept in revocations.json of the state directory; every
// change is in the audit log.
// Threads: any; a mutex is held for each call, over the write of a change. The authority checks a
// principal before it signs and again after the certificate stands in the ledger, and
// RevokePrincipal() blocks before it looks into the ledger: so none slips between.
// Owns: its entries. State directory, audit log and ledger must outlive it.
// Errors: INVALID_ARGUMENT for what is no serial or SPIFFE ID, NOT_FOUND for what was not issued
// here, RESOURCE_EXHAUSTED when the list is full, UNAVAILABLE when the change cannot be kept (then
// it is not in force either). CheckPrincipal() carries Refusal::kRevoked.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "source/base/clock.h"
#include "source/controlplane/ca/audit_log.h"
#include "source/controlplane/ca/issued_ledger.h"
#include "source/controlplane/ca/state_directory.h"
#include "source/x509/crl.h"

namespace kith::controlplane {

struct Revocation {
  std::string serial;
  std::string principal;
  x509::RevocationReason reason = x509::RevocationReason::kUnspecified;
  absl::Time at;
  absl::Time not_after;  // Of the certificate: then the entry goes.
};

struct BlockedPrincipal {
  x509::RevocationReason reason = x509::RevocationReason::kUnspecified;
  absl::Time at;
};

class RevocationList {
 public:
  static constexpr size_t kMaxSerials = 50'000;
  static constexpr size_t kMaxPrincipals = 50'000;

  struct Options {
    const StateDirectory* state = nullptr;
    AuditLog* audit = nullptr;
    const IssuedLedger* ledger = nullptr;
    const base::Clock* clock = &base::Clock::System();
  };
  static absl::StatusOr<std::unique_ptr<RevocationList>> Open(Options options);
  RevocationList(const RevocationList&) = delete;
  RevocationList& operator=(const RevocationList&) = delete;

  // `by`: who asked, for the audit log. Doing it again changes nothing and succeeds.
  absl::StatusOr<Revocation> RevokeSerial(absl::string_view serial, x509::RevocationReason reason,
                                          absl::string_view by);
  // Every certificate of it that lives, and none is issued from now on.
  absl::StatusOr<std::vector<Revocation>> RevokePrincipal(absl::string_view spiffe_id,
                                                          x509::RevocationReason reason,
                                                          absl::string_view by);
  // Lets certificates be issued to it again; those revoked stay revoked.
  absl::Status UnrevokePrincipal(absl::string_view spiffe_id, absl::string_view by);

  absl::Status CheckPrincipal(absl::string_view spiffe_id) const;
  std::optional<Revocation> Find(absl::string_view serial) const;
  std::vector<Revocation> Serials() const;
  std::map<std::string, BlockedPrincipal> Principals() const;

  // Grows with every change, over restarts too.
  uint64_t number() const;
  // The number for the next signed list, greater than all before. Forgets what ended on the way.
  absl::StatusOr<uint64_t> TakeNumber();

 private:
  struct State {
    std::map<std::string, Revocation> serials;
    std::map<std::string, BlockedPrincipal> principals;
    uint64_t number = 0;
  };

  explicit RevocationList(Options options) : options_(options) {}
  static absl::StatusOr<State> Parse(const std::string& text);
  static std::string Format(const State& state);
  absl::Status Replace(State next) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Audit(const Revocation& revocation, absl::string_view by);

  const Options options_;
  mutable std::mutex mutex_;
  State state_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace kith::controlplane
