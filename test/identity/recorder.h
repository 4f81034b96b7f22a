// An observer of identity sources that remembers what it is given.
// Threads: one. Owns: what it was given. Errors: those that a test sets.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "source/identity/source.h"

namespace kith::identity {

class Recorder : public Source::Observer {
 public:
  absl::Status OnIdentity(std::shared_ptr<const tls::Identity> identity) override {
    if (!verdict.ok()) return verdict;
    identities.push_back(std::move(identity));
    return absl::OkStatus();
  }
  absl::Status OnBundles(std::vector<tls::TrustBundle::Domain> domains) override {
    if (!bundle_verdict.ok()) return bundle_verdict;
    bundles.push_back(std::move(domains));
    return absl::OkStatus();
  }
  void OnFailure(Failure failure, const absl::Status& status) override {
    failures.push_back(failure);
    last_error = std::string(status.message());
  }

  absl::Status verdict;
  absl::Status bundle_verdict;
  std::vector<std::shared_ptr<const tls::Identity>> identities;
  std::vector<std::vector<tls::TrustBundle::Domain>> bundles;
  std::vector<Failure> failures;
  std::string last_error;
};

}  // namespace kith::identity
