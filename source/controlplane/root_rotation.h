// Replaces the root of the mesh without losing a connection: adds the new one to everybody's
// bundle, lets it sign once every sidecar trusts it, has leaves renewed, and removes the old root
// once no leaf of it lives. ca/key_ring.h keeps how far that has come; this decides when to go on.
// Threads: the loop's. Owns: nothing that outlives a restart. What the options name is borrowed and
// must outlive it.
// Errors: FAILED_PRECONDITION for a step that is not possible now, with what it waits for;
// UNAVAILABLE when a step cannot be recorded. What was in force stays.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "source/base/clock.h"
#include "source/controlplane/ca/audit_log.h"
#include "source/controlplane/ca/authority.h"
#include "source/controlplane/distribution/hub.h"
#include "source/telemetry/metrics.h"

namespace kith::controlplane {

class RootRotation {
 public:
  struct Options {
    CertificateAuthority* authority = nullptr;
    AuditLog* audit = nullptr;
    std::function<std::vector<Hub::WorkloadReport>()> workloads;
    std::function<void(mesh::v1::TrustBundle)> distribute;
    // The control plane's own certificate is to come from another root.
    std::function<void()> renew_serving;
    const base::Clock* clock = &base::Clock::System();
    telemetry::Shard* metrics = nullptr;  // None counts nothing.
    // Whether this control plane may begin one; else why not. Null: it may.
    std::function<absl::Status()> may_start = nullptr;
    // How long a phase's conditions must hold before it ends: what a sidecar has acknowledged is
    // still on its way to its workers.
    absl::Duration settle = absl::Seconds(1);
    // How long a new root is in the bundle before it signs, for those who fetch that and do not
    // acknowledge it: other trust domains.
    absl::Duration publish = absl::ZeroDuration();
  };
  enum class Force {
    kNo,
    kYes,  // Does not wait for what the phase waits for.
  };
  // Why a workload keeps a phase from ending.
  enum class Wait {
    kNone,
    kBundle,       // It has not acknowledged the bundle.
    kCertificate,  // It serves a certificate of the root that is to go.
    kAway,         // Its sidecar is not connected, and cannot be told.
  };
  struct Progress {
    Hub::WorkloadReport workload;
    Wait wait = Wait::kNone;
  };

  // Distributes the present bundle.
  explicit RootRotation(Options options);

  absl::Status Start(const RootPem& root, RotationMode mode, absl::string_view who);
  // The next step, if the phase's conditions hold.
  absl::Status Continue(Force force);
  absl::Status Abort();
  // Compares with the clock, the sidecars and the leaves. A timer calls this.
  void Tick();

  std::vector<Progress> Workloads() const;
  // What the present phase waits for, a line each; empty when it could end.
  std::vector<std::string> WaitsFor() const;
  const CertificateAuthority& authority() const { return *options_.authority; }

 private:
  Wait WaitOf(const Hub::WorkloadReport& workload) const;
  absl::Status MayStart() const;
  absl::Status Step(RotationPhase from);
  // Records, takes the step, and brings what follows from it into force.
  absl::Status Take(absl::string_view what, absl::Status (KeyRing::*step)(absl::Time));
  void TakeEffect(absl::string_view what);
  void Distribute();
  void CheckAge(absl::Time now);
  void ShowPhase() const;
  absl::Status Record(absl::string_view what) const;

  const Options options_;
  absl::Time ready_since_ = absl::InfiniteFuture();
  absl::Time warned_ = absl::InfinitePast();  // Of the root's age, or of a step that failed.
  std::vector<std::string> shown_roots_;      // Key ids that are in the metrics now.
};

// "bundle", "certificate", "away"; "-" for kNone.
absl::string_view Name(RootRotation::Wait wait);

}  // namespace kith::controlplane
