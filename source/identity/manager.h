// Holds what the workload proves and whom it trusts, and makes a TLS context of both: for each new
// identity and each new bundle, tried in a handshake with itself before anybody sees it.
// Threads: the loop's; contexts go to workers by message.
// Owns: the identity and bundle in use. The metrics shard is borrowed.
// Errors: what is refused says why, and what was in use stays in use, also past its end.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "source/base/clock.h"
#include "source/identity/bundle_set.h"
#include "source/identity/source.h"
#include "source/telemetry/metrics.h"
#include "source/tls/context.h"

namespace kith::identity {

class Manager : public Source::Observer {
 public:
  struct Options {
    std::string trust_domain;  // The workload's own: it always has roots.
    std::string roots_pem;     // Of that trust domain, until somebody else has spoken.
    // Others that are trusted, as the bootstrap gives them.
    std::vector<tls::TrustBundle::Domain> federated = {};
    BundlePrecedence precedence = BundlePrecedence::kControlPlaneFirst;
    std::string source = "kith-ca";  // The source's name, for metrics and logs.
    tls::TrustRules rules = {};      // Until the control plane has spoken.
    // Asked about peers of other trust domains; borrowed. None: nobody is.
    tls::Responders* responders = nullptr;
    const base::Clock* clock = &base::Clock::System();
    telemetry::Shard* metrics = nullptr;  // None counts nothing.
  };
  using Subscriber = absl::AnyInvocable<void(const std::shared_ptr<const tls::Context>&)>;

  // What status pages show beside the identity itself.
  struct Report {
    uint64_t generation = 0;  // Counts identities put to use.
    uint64_t rotations = 0;   // Those after the first.
    absl::Time activated_at = absl::InfinitePast();
    absl::Time last_attempt_at = absl::InfinitePast();  // Infinite: none yet.
    Failure last_failure = Failure::kNone;              // Of the last attempt.
    std::string last_error;
    // The last attempt that failed, however long ago.
    absl::Time failed_at = absl::InfinitePast();
    Failure failed = Failure::kNone;
    std::string failed_error;
  };

  static absl::StatusOr<std::unique_ptr<Manager>> Create(Options options);

  // Called with every new context, and at once if there is one.
  void Subscribe(Subscriber subscriber);

  absl::Status OnIdentity(std::shared_ptr<const tls::Identity> identity) override;
  absl::Status OnBundles(std::vector<tls::TrustBundle::Domain> domains) override;
  void OnFailure(Failure failure, const absl::Status& status) override;

  // The control plane's word on every trust domain it knows. Refused (so is OnBundles()) when the
  // own trust domain is left without roots, or when the present, still valid identity would not
  // pass under them; those are kept aside, and taken together with the first identity that passes
  // under them only.
  absl::Status SetBundle(std::vector<tls::TrustBundle::Domain> domains);

  // The present identity's issuer is on its way out, or the identity was revoked: a new one is to
  // be had soon.
  bool WantsRenewal() const;

  // Revocation lists of files, beside those that come with the bundle; replaces all earlier ones.
  absl::Status SetCrls(tls::Crls crls);
  // What is asked of peers from now on.
  absl::Status SetRules(tls::TrustRules rules);
  const tls::TrustRules& rules() const { return rules_; }
  // Break-glass: until then connections outlive their certificates, and peers pass whose
  // certificates ended at `ended_since` or later. The infinite past ends it.
  absl::Status SetBreakGlass(absl::Time until, absl::Time ended_since);

  // What servers staple from now on: an OCSP response about the leaf of this serial number; empty:
  // nothing. Not heeded once another leaf is in use.
  absl::Status SetStaple(absl::string_view serial, std::string response);

  // Null until the first identity.
  const std::shared_ptr<const tls::Context>& context() const { return context_; }
  const tls::TrustBundle& bundle() const { return *present_.bundle; }
  // The same by trust domain, with who gave it.
  std::vector<BundleSet::Entry> bundles() const { return present_.set.Merge(); }
  // Of the own trust domain.
  const std::string& roots_pem() const;
  const Report& report() const { return report_; }

 private:
  using ShownLabels = std::array<std::string, 3>;
  // What everybody gave, and what it comes to.
  struct Bundles {
    BundleSet set;
    std::shared_ptr<const tls::TrustBundle> bundle;
  };

  Manager(Options options, Bundles bundles);

  static absl::StatusOr<std::shared_ptr<const tls::TrustBundle>> Build(const BundleSet& set,
                                                                       const tls::Crls& crls);
  absl::Status Take(BundleOrigin origin, std::vector<tls::TrustBundle::Domain> domains);

  absl::StatusOr<std::shared_ptr<const tls::Context>> MakeContext(
      std::shared_ptr<const tls::Identity> identity, std::shared_ptr<const tls::TrustBundle> bundle,
      uint64_t generation) const;
  absl::StatusOr<std::shared_ptr<const tls::Context>> TryIdentity(
      const std::shared_ptr<const tls::Identity>& identity,
      const std::shared_ptr<const tls::TrustBundle>& bundle) const;
  // Makes the present context anew, from what has changed beside the identity.
  absl::Status Renew();
  void Publish();
  void CountRotation(absl::string_view result, Failure failure);
  void ShowCertificates();
  void ShowBundles();
  void ShowRevoked();
  // Replaces what is trusted, if the present identity passes under it.
  absl::Status Use(BundleSet set, absl::string_view origin);

  const Options options_;
  tls::TrustRules rules_;
  absl::Time break_glass_until_ = absl::InfinitePast();
  absl::Time ended_since_ = absl::InfiniteFuture();
  tls::Crls crls_;  // Of files.
  // The response, and the serial number of the leaf that it is about.
  std::string staple_;
  std::string stapled_serial_;
  Bundles present_;
  absl::optional<Bundles> next_;  // Refused for the present identity's sake.
  std::shared_ptr<const tls::Context> context_;
  std::vector<Subscriber> subscribers_;
  Report report_;
  std::vector<ShownLabels> shown_;          // Certificates that are in the metrics now,
  std::vector<std::string> shown_domains_;  // and trust domains.
};

}  // namespace kith::identity
