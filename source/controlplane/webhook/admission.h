// What the Kubernetes API server asks and is answered: AdmissionReview admission.k8s.io/v1.
// Threads: any, at once. Owns: its options. Errors: none leave; what is no review is answered with
// 400, a pod or policy that is refused with a review that says so.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "source/controlplane/webhook/policy_review.h"
#include "source/https/https_server.h"
#include "source/inject/options.h"
#include "source/policy/policy_set.h"

namespace kith::controlplane {

class Admission {
 public:
  struct Options {
    inject::Options injection;
    policy::PolicySet::Options policy;
    std::vector<std::string> federated_trust_domains;
    // What a policy will stand beside; null: nothing.
    const LatestMesh* mesh = nullptr;
    // After each question: "inject" or "validate", and "injected", "skipped", "accepted", "refused"
    // or "bad".
    std::function<void(absl::string_view webhook, absl::string_view result)> count;
  };
  explicit Admission(Options options) : options_(std::move(options)) {}

  // POST /inject and POST /validate. Neither has side effects, so that a dry run is no different.
  https::HttpsAnswer Answer(const https::HttpsQuestion& question) const;

 private:
  Options options_;
};

}  // namespace kith::controlplane
