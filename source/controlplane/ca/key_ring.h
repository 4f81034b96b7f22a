// The roots of the authority, over rotations and restarts: one as a rule, two while one replaces
// the other. `rotation.json` in the state directory says which files belong to them and how far a
// rotation has come; it is replaced as a whole before a step counts, so that a control plane killed
// at any point goes on from there. Without it there is the root made at first start, or the
// configured one.
//
// The phases, and what they mean for [0], the present root, and [1], the next one:
//   idle       [0] signs.
//   adding     both are trusted, [0] signs: until every sidecar trusts both.
//   reissuing  both are trusted, [1] signs: until no leaf of [0] lives.
//   aborting   both are trusted, [0] signs: until no leaf of [1] lives.
//   removing   the other one is gone: until every sidecar has said so.
//
// Threads: one. Owns: signers. The state directory must outlive it.
// Errors: FAILED_PRECONDITION for a step that is not possible now and for files that are not whole,
// UNAVAILABLE when the state directory cannot be written; what was in force stays.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "source/controlplane/ca/signer.h"
#include "source/controlplane/ca/state_directory.h"

namespace kith::controlplane {

enum class RotationPhase : uint8_t { kIdle, kAdding, kReissuing, kAborting, kRemoving };
constexpr RotationPhase kRotationPhases[] = {RotationPhase::kIdle, RotationPhase::kAdding,
                                             RotationPhase::kReissuing, RotationPhase::kAborting,
                                             RotationPhase::kRemoving};
// "idle", "adding", …
absl::string_view Name(RotationPhase phase);

enum class RotationMode : uint8_t {
  kAutomatic,  // Goes on by itself when a phase's conditions hold.
  kManual,     // Waits for a person.
};

class KeyRing {
 public:
  struct Options {
    const StateDirectory* state = nullptr;
    std::string trust_domain;
    x509::KeyType key_type = x509::KeyType::kP256;  // Of a root made here.
    absl::Duration root_lifetime;
    absl::Duration backdate;
    SignerFiles configured = {};  // Brought by the user; empty makes a root.
    // Whether peers will accept what a new root's signer issues; none accepts all.
    std::function<absl::Status(const Signer&)> check = nullptr;
  };
  struct Member {
    SignerFiles files;
    bool made_here = false;
    std::shared_ptr<const Signer> signer;
  };

  static absl::StatusOr<std::unique_ptr<KeyRing>> Load(Options options, absl::Time now);

  // One, or two in the phases that say so.
  const std::vector<Member>& members() const { return state_.members; }
  RotationPhase phase() const { return state_.phase; }
  RotationMode mode() const { return state_.mode; }
  absl::Time since() const { return state_.since; }      // When the phase began.
  absl::Time started() const { return state_.started; }  // The rotation.
  // Of the bundle: grows whenever the set of trusted roots changes.
  uint64_t generation() const { return state_.generation; }

  std::shared_ptr<const Signer> leaf_signer() const;
  // Signs the control plane's own certificate: the root that bootstrap files hold the longest.
  std::shared_ptr<const Signer> server_signer() const { return state_.members.front().signer; }
  // The one that is about to go; null when none is.
  const Signer* retiring() const;
  // Every trusted root once, PEM.
  std::string BundlePem() const;
  std::vector<const X509*> Roots() const;

  // Takes over what the user's files hold now, when that is another whole pair under the same roots
  // (false: the same as before). FAILED_PRECONDITION for anything else; what is in use stays.
  absl::StatusOr<bool> Reload(absl::Time now);

  // The steps. Each is on the disk when it returns OK.
  absl::Status Add(const RootPem& root, RotationMode mode, absl::Time now);  // idle → adding
  absl::Status Switch(absl::Time now);                                       // adding → reissuing
  absl::Status Abort(absl::Time now);   // adding, reissuing → aborting
  absl::Status Remove(absl::Time now);  // reissuing, aborting → removing
  absl::Status Settle(absl::Time now);  // removing → idle

 private:
  struct State {
    RotationPhase phase = RotationPhase::kIdle;
    RotationMode mode = RotationMode::kAutomatic;
    uint64_t generation = 1;
    absl::Time since = absl::InfinitePast();
    absl::Time started = absl::InfinitePast();
    std::vector<Member> members;
  };

  explicit KeyRing(Options options) : options_(std::move(options)) {}
  absl::StatusOr<State> Parse(const std::string& text, absl::Time now) const;
  absl::Status LoadFirst(absl::Time now);
  absl::StatusOr<Member> Store(const RootPem& pem, absl::Time now) const;
  absl::Status Enter(RotationPhase phase, State next, absl::Time now);
  absl::Status Expect(absl::string_view step, std::initializer_list<RotationPhase> phases) const;
  absl::Status Publish() const;
  void RemoveUnused() const;

  const Options options_;
  State state_;
};

}  // namespace kith::controlplane
