// An identity that a SPIFFE Workload API gives (SPIRE's agent, another Kith sidecar): one stream of
// FetchX509SVID, opened again whenever it ends. Each message is the full state: what it no longer
// holds is withdrawn.
// Threads: the loop's; gRPC's threads hand messages over.
// Owns: its stream and timer. Loop and clock are borrowed and outlive it.
// Errors: each failed stream or message goes to the observer with its cause and is tried again with
// full-jitter back-off; INVALID_ARGUMENT, which the standard says not to retry, only slowly.
#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "source/base/clock.h"
#include "source/base/spiffe_id.h"
#include "source/control/backoff.h"
#include "source/event/loop.h"
#include "source/event/timer.h"
#include "source/identity/check.h"
#include "source/identity/source.h"
#include "spiffe/workload/workload.pb.h"

namespace kith::control {

class WorkloadApiSource : public identity::Source {
 public:
  struct Options {
    base::SpiffeId id;
    std::string endpoint =
        {};                 // "unix:///path" or "tcp://ip:port", as SPIFFE_ENDPOINT_SOCKET has it.
    std::string hint = {};  // Which of several identities; empty: the one that is `id`'s.
    absl::Duration first_wait = absl::Milliseconds(500);
    absl::Duration longest_wait = absl::Seconds(30);
    std::function<double()> random = {};  // Uniform in [0, 1). Default: the machine's.
    const base::Clock* clock = &base::Clock::System();
  };

  // INVALID_ARGUMENT when the endpoint is none of the two forms.
  static absl::StatusOr<std::unique_ptr<WorkloadApiSource>> Create(event::Loop& loop,
                                                                   Options options);
  ~WorkloadApiSource() override;

  void Start(identity::Source::Observer& observer) override;
  // The API pushes what is new by itself; asking afresh at least shows whether it does.
  void RotateNow() override;
  void RenewSoon() override {}
  void TryOverdue() override {}
  absl::string_view name() const override { return "workload-api"; }
  absl::Time next_attempt() const override;

 private:
  class Stream;

  WorkloadApiSource(event::Loop& loop, std::string target, Options options);

  void Open();
  void OnMessage(const X509SVIDResponse& message);
  void OnEnd(const grpc::Status& status);
  identity::Refusal Use(const X509SVIDResponse& message);
  void Fail(const identity::Refusal& refusal);
  absl::StatusOr<const X509SVID*> Choose(const X509SVIDResponse& message) const;

  event::Loop& loop_;
  const Options options_;
  const std::shared_ptr<grpc::Channel> channel_;
  identity::Source::Observer* observer_ = nullptr;
  Backoff backoff_;
  event::Timer timer_;
  absl::Time due_ = absl::InfiniteFuture();
  std::unique_ptr<Stream> stream_;
  std::string used_;  // The leaf that is in use, to tell a message about others' bundles apart.
};

// gRPC's name for an endpoint in the form of SPIFFE_ENDPOINT_SOCKET.
absl::StatusOr<std::string> WorkloadApiTarget(absl::string_view endpoint);

}  // namespace kith::control
