// A certificate authority for tests: signs what it is asked, or gives any other answer a test
// wants. Threads: one at a time. Owns: its keys and the requests that wait for an answer. Errors:
// whatever the test says.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "source/base/clock.h"
#include "source/identity/signing_client.h"
#include "test/support/temporary_ca.h"

namespace kith::identity {

class FakeAuthority : public SigningClient {
 public:
  explicit FakeAuthority(const base::Clock& clock)
      : clock_(clock), ca({.now = clock.Now(), .name = "fake authority"}) {}

  void Sign(SigningRequest request, Done done) override {
    requests.push_back(request);
    waiting_.push_back({std::move(request), std::move(done)});
  }

  // Answers the oldest request with a certificate whose properties `change` may spoil.
  void Answer(const std::function<void(test::CertificateOptions&)>& change = nullptr) {
    AnswerFrom(ca, change);
  }
  void AnswerFrom(const test::TemporaryCa& issuer,
                  const std::function<void(test::CertificateOptions&)>& change = nullptr) {
    test::CertificateOptions options;
    options.request_pem = waiting_.front().request.csr_pem;
    options.uri_sans = {"spiffe://cluster.local/ns/demo/sa/backend"};
    options.not_before = clock_.Now() - absl::Minutes(2);
    options.not_after = clock_.Now() + lifetime;
    if (change) change(options);
    Give(SigningReply{issuer.Leaf(options).chain_pem, issuer.root_pem()});
  }
  void Give(absl::StatusOr<SigningReply> reply) {
    Done done = std::move(waiting_.front().done);
    waiting_.erase(waiting_.begin());
    done(std::move(reply));
  }

  size_t waiting() const { return waiting_.size(); }

 private:
  struct Waiting {
    SigningRequest request;
    Done done;
  };
  const base::Clock& clock_;

 public:
  const test::TemporaryCa ca;
  absl::Duration lifetime = absl::Hours(1);
  std::vector<SigningRequest> requests;  // All that ever came.

 private:
  std::vector<Waiting> waiting_;
};

}  // namespace kith::identity
