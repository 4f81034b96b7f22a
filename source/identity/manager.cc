#include "source/identity/manager.h"

#include <algorithm>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "source/base/log.h"
#include "source/base/status.h"
#include "source/telemetry/families.h"
#include "source/tls/peer.h"

namespace kith::identity {
namespace {

std::string Text(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

bool IsValidAt(const tls::Identity& identity, absl::Time now) {
  return now >= identity.leaf().not_before && now < identity.not_after();
}

}  // namespace

Manager::Manager(Options options, Bundles bundles)
    : options_(std::move(options)), rules_(options_.rules), present_(std::move(bundles)) {
  ShowCertificates();
}

absl::StatusOr<std::unique_ptr<Manager>> Manager::Create(Options options) {
  BundleSet set(options.precedence);
  std::vector<tls::TrustBundle::Domain> given = options.federated;
  given.push_back({options.trust_domain, options.roots_pem});
  set.Set(BundleOrigin::kBootstrap, std::move(given));
  KITH_ASSIGN_OR_RETURN(auto bundle, Build(set, {}));
  return std::unique_ptr<Manager>(
      new Manager(std::move(options), {std::move(set), std::move(bundle)}));
}

absl::StatusOr<std::shared_ptr<const tls::TrustBundle>> Manager::Build(const BundleSet& set,
                                                                       const tls::Crls& crls) {
  std::vector<tls::TrustBundle::Domain> domains;
  for (BundleSet::Entry& entry : set.Merge()) domains.push_back(std::move(entry.domain));
  return tls::TrustBundle::Create(std::move(domains), crls);
}

void Manager::Subscribe(Subscriber subscriber) {
  if (context_ != nullptr) subscriber(context_);
  subscribers_.push_back(std::move(subscriber));
}

absl::StatusOr<std::shared_ptr<const tls::Context>> Manager::MakeContext(
    std::shared_ptr<const tls::Identity> identity, std::shared_ptr<const tls::TrustBundle> bundle,
    uint64_t generation) const {
  tls::Context::Options options;
  options.identity = std::move(identity);
  options.bundle = std::move(bundle);
  options.rules = rules_;
  if (options.identity->leaf().serial == stapled_serial_) options.ocsp_response = staple_;
  if (rules_.break_glass_allowed) {
    options.rules.break_glass_until = break_glass_until_;
    options.rules.peer.ended_since = ended_since_;
  }
  options.responders = options_.responders;
  options.clock = options_.clock;
  options.generation = generation;
  return tls::Context::Create(std::move(options));
}

absl::StatusOr<std::shared_ptr<const tls::Context>> Manager::TryIdentity(
    const std::shared_ptr<const tls::Identity>& identity,
    const std::shared_ptr<const tls::TrustBundle>& bundle) const {
  const absl::string_view attempted = "try the new certificate with the present trust bundle";
  auto context = MakeContext(identity, bundle, report_.generation + 1);
  if (!context.ok()) return base::Annotate(context.status(), attempted);
  KITH_RETURN_IF_ERROR(base::Annotate(tls::SelfHandshake(**context), attempted));
  return context;
}

absl::Status Manager::OnIdentity(std::shared_ptr<const tls::Identity> identity) {
  auto context = TryIdentity(identity, present_.bundle);
  if (!context.ok() && next_.has_value()) {
    // The old root is gone for good: identity and roots change together.
    if (auto both = TryIdentity(identity, next_->bundle); both.ok()) {
      context = std::move(both);
      present_ = *std::move(next_);
    }
  }
  if (!context.ok()) return context.status();
  next_.reset();

  const std::string old_serial = context_ == nullptr ? "" : context_->identity().leaf().serial;
  context_ = *std::move(context);
  const absl::Time now = options_.clock->Now();
  if (report_.generation > 0) ++report_.rotations;
  ++report_.generation;
  report_.activated_at = report_.last_attempt_at = now;
  report_.last_failure = Failure::kNone;
  report_.last_error.clear();
  CountRotation("ok", Failure::kNone);
  ShowCertificates();
  base::Log(base::LogLevel::kInfo, "identity", "certificate in use",
            {{"source", options_.source},
             {"spiffeId", identity->id().text()},
             {"generation", absl::StrCat(report_.generation)},
             {"oldSerial", old_serial},
             {"serial", identity->leaf().serial},
             {"notAfter", Text(identity->not_after())}});
  Publish();
  return absl::OkStatus();
}

void Manager::OnFailure(Failure failure, const absl::Status& status) {
  const std::string error(status.message());
  const bool repeated = report_.last_failure == failure && report_.last_error == error;
  report_.last_attempt_at = options_.clock->Now();
  report_.last_failure = failure;
  report_.last_error = report_.failed_error = error;
  report_.failed_at = report_.last_attempt_at;
  report_.failed = failure;
  CountRotation("failed", failure);
  // A long outage is one warning, not one a second.
  base::Log(
      repeated ? base::LogLevel::kDebug : base::LogLevel::kWarning, "identity",
      "no new certificate",
      {{"source", options_.source},
       {"reason", std::string(Name(failure))},
       {"error", error},
       {"present", context_ == nullptr
                       ? "none"
                       : absl::StrCat("kept, ends ", Text(context_->identity().not_after()))}});
}

absl::Status Manager::SetBundle(std::vector<tls::TrustBundle::Domain> domains) {
  return Take(BundleOrigin::kControlPlane, std::move(domains));
}

absl::Status Manager::OnBundles(std::vector<tls::TrustBundle::Domain> domains) {
  return Take(BundleOrigin::kSource, std::move(domains));
}

absl::Status Manager::Take(BundleOrigin origin, std::vector<tls::TrustBundle::Domain> domains) {
  BundleSet set = present_.set;
  set.Set(origin, std::move(domains));
  return Use(std::move(set), Name(origin));
}

absl::Status Manager::Use(BundleSet set, absl::string_view origin) {
  Bundles taken{std::move(set), nullptr};
  KITH_ASSIGN_OR_RETURN(taken.bundle, Build(taken.set, crls_));
  if (taken.bundle->RootsOf(options_.trust_domain).empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the trust bundle has no root of this workload's trust domain ", options_.trust_domain));
  }
  if (context_ != nullptr) {
    KITH_ASSIGN_OR_RETURN(auto context, MakeContext(context_->options().identity, taken.bundle,
                                                    context_->generation()));
    // A certificate that has ended fails under any bundle: then the bundle is not to blame.
    if (IsValidAt(context->identity(), options_.clock->Now())) {
      if (absl::Status passed = tls::SelfHandshake(*context); !passed.ok()) {
        next_ = std::move(taken);
        return base::Annotate(passed, "try the new trust bundle with the present certificate");
      }
    }
    context_ = std::move(context);
  }
  present_ = std::move(taken);
  next_.reset();
  ShowCertificates();
  base::Log(base::LogLevel::kInfo, "identity", "trust bundle in use",
            {{"from", std::string(origin)},
             {"trustDomains", absl::StrCat(bundle().domains().size())},
             {"ownRoots", absl::StrCat(bundle().RootsOf(options_.trust_domain).size())},
             {"revocationLists", absl::StrCat(bundle().revoked().size())}});
  ShowRevoked();
  if (context_ != nullptr) Publish();
  return absl::OkStatus();
}

absl::Status Manager::SetCrls(tls::Crls crls) {
  std::swap(crls_, crls);
  absl::Status set = Use(present_.set, "revocation lists");
  if (!set.ok()) crls_ = std::move(crls);
  return set;
}

absl::Status Manager::SetRules(tls::TrustRules rules) {
  if (rules == rules_) return absl::OkStatus();
  std::swap(rules_, rules);
  absl::Status renewed = Renew();
  if (!renewed.ok()) rules_ = std::move(rules);
  return renewed;
}

absl::Status Manager::SetBreakGlass(absl::Time until, absl::Time ended_since) {
  break_glass_until_ = until;
  ended_since_ = ended_since;
  return Renew();
}

absl::Status Manager::SetStaple(absl::string_view serial, std::string response) {
  const bool present = context_ != nullptr && context_->identity().leaf().serial == serial;
  if (!present || (stapled_serial_ == serial && staple_ == response)) return absl::OkStatus();
  stapled_serial_ = std::string(serial);
  staple_ = std::move(response);
  return Renew();
}

absl::Status Manager::Renew() {
  if (context_ == nullptr) return absl::OkStatus();
  auto context = MakeContext(context_->options().identity, present_.bundle, context_->generation());
  if (!context.ok()) return base::Annotate(context.status(), "make the TLS context anew");
  context_ = *std::move(context);
  Publish();
  return absl::OkStatus();
}

const std::string& Manager::roots_pem() const {
  for (const tls::TrustBundle::Domain& domain : bundle().domains()) {
    if (domain.trust_domain == options_.trust_domain) return domain.roots_pem;
  }
  return options_.roots_pem;
}

bool Manager::WantsRenewal() const {
  if (context_ == nullptr) return false;
  if (next_.has_value()) return true;
  if (tls::IsRevoked(context_->identity(), bundle(), options_.clock->Now())) return true;
  for (const tls::TrustBundle::Domain& domain : bundle().domains()) {
    if (domain.trust_domain != options_.trust_domain) continue;
    for (const tls::CertificateInfo& certificate : context_->identity().chain_info()) {
      if (!certificate.issuer_key_id.empty() &&
          absl::c_linear_search(domain.retiring_key_ids, certificate.issuer_key_id)) {
        return true;
      }
    }
  }
  return false;
}

void Manager::Publish() {
  for (Subscriber& subscriber : subscribers_) subscriber(context_);
}

void Manager::ShowRevoked() {
  if (options_.metrics != nullptr) {
    options_.metrics->GetGauge(telemetry::kRevocationLists, {})
        .Set(static_cast<double>(bundle().revoked().size()));
  }
  if (context_ == nullptr) return;
  const tls::Identity& identity = context_->identity();
  if (!tls::IsRevoked(identity, bundle(), options_.clock->Now())) return;
  base::Log(base::LogLevel::kWarning, "identity",
            "our own certificate is on a revocation list; peers refuse it, a new one is asked for",
            {{"spiffeId", identity.id().text()}, {"serial", identity.leaf().serial}});
}

void Manager::CountRotation(absl::string_view result, Failure failure) {
  if (options_.metrics == nullptr) return;
  options_.metrics
      ->GetCounter(telemetry::kIdentityRotations, {result, Name(failure), options_.source})
      .Add();
}

void Manager::ShowCertificates() {
  if (options_.metrics == nullptr) return;
  telemetry::Shard& shard = *options_.metrics;
  const std::string principal =
      context_ == nullptr ? "" : std::string(context_->identity().id().principal());
  struct Shown {
    absl::string_view kind;
    tls::CertificateInfo certificate;
    std::string principal;
  };
  std::vector<Shown> present;
  if (context_ != nullptr) {
    absl::string_view kind = "leaf";
    for (const tls::CertificateInfo& certificate : context_->identity().chain_info()) {
      present.push_back({kind, certificate, kind == "leaf" ? principal : certificate.subject});
      kind = "issuer";
    }
    shard.GetGauge(telemetry::kIdentityGeneration, {}).Set(static_cast<double>(report_.generation));
  }
  for (const tls::CertificateInfo& root : bundle().RootInfo(options_.trust_domain)) {
    present.push_back({"root", root, options_.trust_domain});
  }
  std::vector<ShownLabels> shown;
  for (const Shown& each : present) {
    const absl::string_view labels[] = {each.kind, each.certificate.serial, each.principal};
    shard.GetGauge(telemetry::kCertificateNotAfter, labels)
        .Set(absl::ToDoubleSeconds(each.certificate.not_after - absl::UnixEpoch()));
    shard.GetGauge(telemetry::kCertificateNotBefore, labels)
        .Set(absl::ToDoubleSeconds(each.certificate.not_before - absl::UnixEpoch()));
    shown.push_back({std::string(each.kind), each.certificate.serial, each.principal});
  }
  for (const ShownLabels& old : shown_) {
    if (std::find(shown.begin(), shown.end(), old) != shown.end()) continue;
    const absl::string_view labels[] = {old[0], old[1], old[2]};
    shard.Remove(telemetry::kCertificateNotAfter, labels);
    shard.Remove(telemetry::kCertificateNotBefore, labels);
  }
  shown_ = std::move(shown);
  ShowBundles();
}

void Manager::ShowBundles() {
  std::vector<std::string> present;
  for (const tls::TrustBundle::Domain& domain : bundle().domains()) {
    options_.metrics->GetGauge(telemetry::kTrustBundleGeneration, {domain.trust_domain})
        .Set(static_cast<double>(domain.generation));
    present.push_back(domain.trust_domain);
  }
  for (const std::string& old : shown_domains_) {
    if (absl::c_linear_search(present, old)) continue;
    options_.metrics->Remove(telemetry::kTrustBundleGeneration, {old});
  }
  shown_domains_ = std::move(present);
}

}  // namespace kith::identity
