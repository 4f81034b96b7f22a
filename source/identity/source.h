// Where this workload's identity comes from: a certificate authority (ca_source.h), files
// (file_source.h), a SPIFFE Workload API (control/workload_api_source.h). It obtains identities and
// renews them in time for as long as it lives.
// Threads: the loop's. Owns: see the implementations.
// Errors: each failed attempt reaches the observer with a cause of a closed list; a source never
// gives up.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "source/tls/credentials.h"

namespace kith::identity {

// Why a rotation did not happen: the reason label of kith_identity_rotations_total.
enum class Failure : uint8_t {
  kNone,
  kUnavailable,    // The source was not reached.
  kToken,          // There is no token to send, or it was refused.
  kRefused,        // The source refused the request.
  kIncomplete,     // Key and certificate do not fit: half of a replacement, as it seems.
  kBadReply,       // What it sent is no certificate for the key that was made.
  kWrongIdentity,  // A certificate of somebody else.
  kNotValidNow,    // Its validity does not hold the present time.
  kUntrusted,      // It does not pass a handshake with itself under the present bundle.
};
// "unavailable", "wrong_identity", …; "-" for kNone.
absl::string_view Name(Failure failure);

class Source {
 public:
  class Observer {
   public:
    virtual ~Observer() = default;
    // A new identity. OK once it is in use; otherwise it is dropped, the source reports the failure
    // and tries again.
    virtual absl::Status OnIdentity(std::shared_ptr<const tls::Identity> identity) = 0;
    // Whom to trust, in the source's own word: all of it, each time. What is not OK was refused.
    virtual absl::Status OnBundles(std::vector<tls::TrustBundle::Domain> domains) = 0;
    virtual void OnFailure(Failure failure, const absl::Status& status) = 0;
  };

  virtual ~Source() = default;

  // Once. The observer outlives the source.
  virtual void Start(Observer& observer) = 0;
  // Obtains a new identity at once, however young the present one is.
  virtual void RotateNow() = 0;
  // The issuer of the present identity is on its way out: the renewal is brought forward, spread
  // over some seconds.
  virtual void RenewSoon() = 0;
  // The way to the source may be open again: what is overdue is tried soon, at once without a
  // valid identity.
  virtual void TryOverdue() = 0;
  // The control plane, which may be the source, went away; TryOverdue() follows once it is back. A
  // hint: to try meanwhile is of little use, and to be one of all who try when it returns of less.
  virtual void OnControlPlaneLost() {}
  // For people and metrics: "kith-ca", "istio-ca", "files", "workload-api".
  virtual absl::string_view name() const = 0;
  // When the next attempt is due; in the past while one is on its way, the infinite future when it
  // is somebody else's to begin.
  virtual absl::Time next_attempt() const = 0;
};

}  // namespace kith::identity
