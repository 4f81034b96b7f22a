// Signs and keeps fresh the certificate revocation lists: one for each signer whose certificates
// may live. Each holds every revoked serial number; they are of 128 random bits, so no list names a
// certificate of another signer by mistake.
// Threads: the loop's. Owns: its timer and the lists. Revocations and state directory outlive it.
// Errors: Create() when the first lists cannot be made. Later ones are logged and tried again; the
// lists in force stay.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "source/base/clock.h"
#include "source/controlplane/ca/revocation_list.h"
#include "source/controlplane/ca/signer.h"
#include "source/controlplane/ca/state_directory.h"
#include "source/event/loop.h"
#include "source/event/timer.h"

namespace kith::controlplane {

struct PublishedCrl {
  std::string issuer;  // The signer's key identifier, lower-case hex.
  std::string der;
};

class CrlPublisher {
 public:
  struct Options {
    event::Loop* loop = nullptr;
    const StateDirectory* state = nullptr;
    RevocationList* revocations = nullptr;
    // Those whose certificates may live, the one that issues now first.
    absl::AnyInvocable<std::vector<std::shared_ptr<const Signer>>()> signers;
    // Called with every new set of lists, the first one included.
    absl::AnyInvocable<void(const std::vector<PublishedCrl>&)> published;
    const base::Clock* clock = &base::Clock::System();
    absl::Duration lifetime = absl::Hours(24);  // A new list is made at half of it.
    absl::Duration check_interval = absl::Seconds(10);
  };
  static absl::StatusOr<std::unique_ptr<CrlPublisher>> Create(Options options);
  CrlPublisher(const CrlPublisher&) = delete;
  CrlPublisher& operator=(const CrlPublisher&) = delete;

  const std::vector<PublishedCrl>& crls() const { return crls_; }
  uint64_t number() const { return number_; }
  absl::Time next_update() const { return next_update_; }

  // Makes new lists when revocations, signers or time ask for it. The timer calls this; so does
  // whoever changed one of them, to have it at once.
  absl::Status Update();

 private:
  explicit CrlPublisher(Options options);
  bool Restore(const std::vector<std::shared_ptr<const Signer>>& signers);
  void Keep() const;
  std::vector<std::string> IssuersOf(
      const std::vector<std::shared_ptr<const Signer>>& signers) const;

  Options options_;
  std::vector<PublishedCrl> crls_;
  std::vector<std::string> issuers_;
  uint64_t number_ = 0;
  absl::Time this_update_ = absl::InfinitePast();
  absl::Time next_update_ = absl::InfinitePast();
  event::Timer timer_;
};

}  // namespace kith::controlplane
