// The life of an identity that a certificate authority signs: a fresh P-256 key each time, a
// signing request, checks of what comes back, renewal at half of the lifetime (renewal.h). Threads:
// the loop's. Owns: its timer, the attempt on its way; the client, the clock and the loop are
// borrowed and outlive it. Errors: each failed attempt goes to the observer and is tried again for
// ever; the identity in use is the observer's to keep. A reply is never handed over unless it
// carries the key that was made, this workload's SPIFFE ID, and the present time within its
// validity.
#pragma once

#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "source/base/clock.h"
#include "source/base/spiffe_id.h"
#include "source/event/loop.h"
#include "source/event/timer.h"
#include "source/identity/renewal.h"
#include "source/identity/signing_client.h"
#include "source/identity/source.h"

namespace kith::identity {

class CaSource : public Source {
 public:
  enum class Roots {
    kFromElsewhere,  // What the authority calls its roots is not looked at.
    kFromReply,      // They are handed over as the own trust domain's bundle.
  };
  struct Options {
    base::SpiffeId id;
    std::string name = "kith-ca";
    absl::Duration lifetime = absl::Hours(24);  // Asked for.
    const base::Clock* clock = &base::Clock::System();
    Renewal::Random random = {};  // Default: the machine's.
    Roots roots = Roots::kFromElsewhere;
  };

  CaSource(event::Loop& loop, SigningClient& client, Options options);
  ~CaSource() override;

  void Start(Observer& observer) override;
  void RotateNow() override;
  void RenewSoon() override;
  void TryOverdue() override;
  void OnControlPlaneLost() override { away_ = true; }
  absl::string_view name() const override { return options_.name; }
  absl::Time next_attempt() const override { return renewal_.due(); }

  // Compares the clock with what is due. The timer calls this; so may a test that moves the clock.
  void Check();

 private:
  struct Attempt;

  void Begin();
  void Finish(const std::shared_ptr<const tls::PrivateKey>& key,
              const absl::StatusOr<SigningReply>& reply);
  void Fail(Failure failure, const absl::Status& status);

  event::Loop& loop_;
  SigningClient& client_;
  const Options options_;
  Observer* observer_ = nullptr;
  Renewal renewal_;
  event::Timer timer_;
  bool away_ = false;  // The control plane, until TryOverdue().
  // The attempt on its way; its answer is dropped once this is gone.
  std::shared_ptr<Attempt> attempt_;
};

}  // namespace kith::identity
