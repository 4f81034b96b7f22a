#include "source/controlplane/root_rotation.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "source/base/log.h"
#include "source/base/status.h"
#include "source/telemetry/families.h"

namespace kith::controlplane {
namespace {

constexpr absl::Duration kWarnAgain = absl::Hours(24);
constexpr absl::Duration kTryAgain = absl::Minutes(1);
constexpr size_t kNamed = 5;  // Workloads that a message lists.

std::string Text(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

double UnixSeconds(absl::Time time) { return absl::ToDoubleSeconds(time - absl::UnixEpoch()); }

std::string Explain(RootRotation::Wait wait, const std::vector<std::string>& names) {
  std::string listed = absl::StrJoin(
      names.begin(), names.begin() + static_cast<ptrdiff_t>(std::min(names.size(), kNamed)), ", ");
  if (names.size() > kNamed) absl::StrAppend(&listed, " and ", names.size() - kNamed, " more");
  switch (wait) {
    case RootRotation::Wait::kBundle:
      return absl::StrCat("the bundle's acknowledgement by ", listed);
    case RootRotation::Wait::kCertificate:
      return absl::StrCat("a certificate of the other root in ", listed);
    case RootRotation::Wait::kAway:
      return absl::StrCat("the return, or the certificate's end, of sidecars that were lost: ",
                          listed);
    case RootRotation::Wait::kNone:
      break;
  }
  return "";
}

}  // namespace

absl::string_view Name(RootRotation::Wait wait) {
  switch (wait) {
    case RootRotation::Wait::kBundle:
      return "bundle";
    case RootRotation::Wait::kCertificate:
      return "certificate";
    case RootRotation::Wait::kAway:
      return "away";
    case RootRotation::Wait::kNone:
      break;
  }
  return "-";
}

RootRotation::RootRotation(Options options) : options_(std::move(options)) { Distribute(); }

RootRotation::Wait RootRotation::WaitOf(const Hub::WorkloadReport& workload) const {
  const KeyRing& ring = options_.authority->ring();
  const Roster::Record& record = workload.record;
  const bool connected = record.stream != Roster::kNoStream;
  switch (ring.phase()) {
    case RotationPhase::kIdle:
      return Wait::kNone;
    case RotationPhase::kAdding: {
      if (connected) return workload.holds_bundle ? Wait::kNone : Wait::kBundle;
      if (record.drained) return Wait::kNone;
      // Its peers would take the new root's leaves, and it would not.
      const bool serves =
          absl::FromUnixSeconds(record.certificate.not_after_unix()) > options_.clock->Now();
      return record.present || serves ? Wait::kAway : Wait::kNone;
    }
    case RotationPhase::kReissuing:
    case RotationPhase::kAborting:
      return connected && record.certificate.root_key_id() == ring.retiring()->root_key_id
                 ? Wait::kCertificate
                 : Wait::kNone;
    case RotationPhase::kRemoving:
      return connected && !workload.holds_bundle ? Wait::kBundle : Wait::kNone;
  }
  return Wait::kNone;
}

std::vector<RootRotation::Progress> RootRotation::Workloads() const {
  std::vector<Progress> progress;
  for (Hub::WorkloadReport& workload : options_.workloads()) {
    const Wait wait = WaitOf(workload);
    progress.push_back({std::move(workload), wait});
  }
  return progress;
}

std::vector<std::string> RootRotation::WaitsFor() const {
  std::vector<std::string> reasons;
  const std::vector<Progress> workloads = Workloads();
  for (const Wait wait : {Wait::kBundle, Wait::kCertificate, Wait::kAway}) {
    std::vector<std::string> names;
    for (const Progress& each : workloads) {
      if (each.wait != wait) continue;
      const Workload& who = each.workload.record.workload;
      names.push_back(absl::StrCat(who.name_space, "/", who.name));
    }
    if (!names.empty()) reasons.push_back(Explain(wait, names));
  }
  if (const Signer* retiring = options_.authority->ring().retiring(); retiring != nullptr) {
    const absl::Time end = options_.authority->LastLeafEnd(retiring->root_key_id);
    if (end >= options_.clock->Now()) {
      reasons.push_back(absl::StrCat("the end of the last certificate of root ",
                                     retiring->root_key_id, ", by ", Text(end)));
    }
  }
  const absl::Time published = options_.authority->ring().since() + options_.publish;
  if (options_.authority->ring().phase() == RotationPhase::kAdding &&
      options_.clock->Now() < published) {
    reasons.push_back(
        absl::StrCat("other trust domains that fetch the bundle, until ", Text(published)));
  }
  return reasons;
}

absl::Status RootRotation::Record(absl::string_view what) const {
  AuditEntry entry;
  entry.event = AuditEvent::kRotation;
  entry.detail = std::string(what);
  return options_.audit->Append(entry);
}

absl::Status RootRotation::MayStart() const {
  return options_.may_start == nullptr ? absl::OkStatus() : options_.may_start();
}

absl::Status RootRotation::Start(const RootPem& root, RotationMode mode, absl::string_view who) {
  KeyRing& ring = options_.authority->ring();
  KITH_RETURN_IF_ERROR(MayStart());
  KITH_RETURN_IF_ERROR(Record(absl::StrCat("asked for by ", who)));
  const std::string old_root = ring.leaf_signer()->root_key_id;
  KITH_RETURN_IF_ERROR(ring.Add(root, mode, options_.clock->Now()));
  const std::string what =
      absl::StrCat("root ", ring.members().back().signer->root_key_id, " is to replace ", old_root);
  absl::Status recorded = Record(what);
  TakeEffect(what);
  return recorded;
}

absl::Status RootRotation::Take(absl::string_view what, absl::Status (KeyRing::*step)(absl::Time)) {
  KITH_RETURN_IF_ERROR(Record(what));
  KITH_RETURN_IF_ERROR((options_.authority->ring().*step)(options_.clock->Now()));
  TakeEffect(what);
  return absl::OkStatus();
}

void RootRotation::TakeEffect(absl::string_view what) {
  const KeyRing& ring = options_.authority->ring();
  ready_since_ = absl::InfiniteFuture();
  const absl::Status adopted = options_.authority->Adopt();
  base::Log(adopted.ok() ? base::LogLevel::kInfo : base::LogLevel::kError, "ca", "root rotation",
            {{"step", std::string(what)},
             {"phase", std::string(Name(ring.phase()))},
             {"generation", absl::StrCat(ring.generation())},
             {"error", std::string(adopted.message())}});
  // First, so that nobody is left with a bundle under which the control plane is a stranger.
  if (ring.phase() == RotationPhase::kRemoving) options_.renew_serving();
  Distribute();
  ShowPhase();
}

void RootRotation::Distribute() {
  const KeyRing& ring = options_.authority->ring();
  mesh::v1::TrustBundle bundle;
  bundle.set_roots(options_.authority->trust_bundle_pem());
  bundle.set_generation(ring.generation());
  if (const Signer* retiring = ring.retiring(); retiring != nullptr) {
    bundle.add_retiring_key_ids(retiring->root_key_id);
  }
  options_.distribute(std::move(bundle));
  if (options_.metrics == nullptr) return;
  telemetry::Shard& shard = *options_.metrics;
  shard.GetGauge(telemetry::kCaBundleGeneration, {}).Set(static_cast<double>(ring.generation()));
  std::vector<std::string> shown;
  for (const CertificateFacts& root : options_.authority->roots()) {
    shard.GetGauge(telemetry::kCaRootNotAfter, {root.key_id}).Set(UnixSeconds(root.not_after));
    shown.push_back(root.key_id);
  }
  for (const std::string& old : shown_roots_) {
    const absl::string_view labels[] = {old};
    if (std::find(shown.begin(), shown.end(), old) == shown.end()) {
      shard.Remove(telemetry::kCaRootNotAfter, labels);
    }
  }
  shown_roots_ = std::move(shown);
}

absl::Status RootRotation::Step(RotationPhase from) {
  switch (from) {
    case RotationPhase::kAdding:
      return Take("every sidecar trusts both roots: the new root signs", &KeyRing::Switch);
    case RotationPhase::kReissuing:
      return Take("no certificate of the old root lives: it is removed", &KeyRing::Remove);
    case RotationPhase::kAborting:
      return Take("no certificate of the new root lives: it is removed", &KeyRing::Remove);
    case RotationPhase::kRemoving:
      return Take("every sidecar trusts the remaining root alone: done", &KeyRing::Settle);
    case RotationPhase::kIdle:
      break;
  }
  return absl::FailedPreconditionError("continue: no rotation is on its way");
}

absl::Status RootRotation::Continue(Force force) {
  const RotationPhase phase = options_.authority->ring().phase();
  const std::vector<std::string> reasons = WaitsFor();
  if (!reasons.empty() && force == Force::kNo) {
    return absl::FailedPreconditionError(
        absl::StrCat("continue: ", Name(phase), " still waits for ", absl::StrJoin(reasons, "; "),
                     ". With --force it does not wait, and connections of these fail"));
  }
  if (!reasons.empty()) {
    KITH_RETURN_IF_ERROR(Record(absl::StrCat("forced past: ", absl::StrJoin(reasons, "; "))));
  }
  return Step(phase);
}

absl::Status RootRotation::Abort() {
  const RotationPhase phase = options_.authority->ring().phase();
  if (phase != RotationPhase::kAdding && phase != RotationPhase::kReissuing) {
    return absl::FailedPreconditionError(
        phase == RotationPhase::kRemoving
            ? "abort: the root has been removed already; start another rotation"
            : "abort: there is no rotation to abort");
  }
  return Take("aborted: the old root signs again", &KeyRing::Abort);
}

void RootRotation::Tick() {
  const absl::Time now = options_.clock->Now();
  const KeyRing& ring = options_.authority->ring();
  const auto warn = [&](absl::string_view what, const absl::Status& status) {
    if (status.ok() || now < warned_ + kTryAgain) return;
    warned_ = now;
    base::Log(base::LogLevel::kError, "ca", what, {{"error", std::string(status.message())}});
  };
  warn("the intermediate cannot be replaced", options_.authority->RenewIntermediate());
  if (ring.phase() == RotationPhase::kIdle) CheckAge(now);
  ShowPhase();
  if (ring.phase() == RotationPhase::kIdle || !WaitsFor().empty()) {
    ready_since_ = absl::InfiniteFuture();
    return;
  }
  ready_since_ = std::min(ready_since_, now);
  // Nobody decides about the last acknowledgement: there is nothing left to go back to.
  const bool by_itself =
      ring.mode() == RotationMode::kAutomatic || ring.phase() == RotationPhase::kRemoving;
  if (!by_itself || now < ready_since_ + options_.settle) return;
  warn("the rotation cannot go on", Step(ring.phase()));
}

void RootRotation::CheckAge(absl::Time now) {
  const AuthorityOptions& settings = options_.authority->options();
  const KeyRing::Member& member = options_.authority->ring().members().front();
  const Signer& root = *member.signer;
  const absl::Duration life = root.not_after - root.not_before;
  const bool old = now >= root.not_before + life / 2;
  if (options_.metrics != nullptr) {
    options_.metrics->GetGauge(telemetry::kCaRotationAdvised, {}).Set(old ? 1 : 0);
  }
  const absl::Duration before =
      settings.rotate_before_end < absl::ZeroDuration() ? life / 3 : settings.rotate_before_end;
  const absl::Status may_start = MayStart();
  const bool scheduled = member.made_here && before > absl::ZeroDuration() && may_start.ok();
  if (scheduled && now >= root.not_after - before && now >= warned_ + kTryAgain) {
    absl::Status started = absl::OkStatus();
    const auto made = MakeRoot(settings.key_type, settings.trust_domain, settings.root_lifetime,
                               settings.backdate, now);
    started = made.ok() ? Start(*made, RotationMode::kAutomatic, "the schedule") : made.status();
    if (started.ok()) return;
    warned_ = now;
    base::Log(base::LogLevel::kError, "ca", "the scheduled rotation of the root cannot start",
              {{"error", std::string(started.message())}});
  }
  if (!old || now < warned_ + kWarnAgain) return;
  warned_ = now;
  std::string next = "does not begin by itself: kithctl ca rotate start";
  if (scheduled) {
    next = absl::StrCat("begins by itself on ", Text(root.not_after - before));
  } else if (!may_start.ok()) {
    next = std::string(may_start.message());
  }
  base::Log(base::LogLevel::kWarning, "ca", "half of the root's life is over",
            {{"root", root.root_key_id}, {"ends", Text(root.not_after)}, {"rotation", next}});
}

void RootRotation::ShowPhase() const {
  if (options_.metrics == nullptr) return;
  const RotationPhase phase = options_.authority->ring().phase();
  for (const RotationPhase each : kRotationPhases) {
    options_.metrics->GetGauge(telemetry::kCaRotationPhase, {Name(each)})
        .Set(each == phase ? 1 : 0);
  }
  const std::vector<Progress> workloads = Workloads();
  options_.metrics->GetGauge(telemetry::kCaRotationPending, {})
      .Set(static_cast<double>(
          std::count_if(workloads.begin(), workloads.end(),
                        [](const Progress& each) { return each.wait != Wait::kNone; })));
}

}  // namespace kith::controlplane
