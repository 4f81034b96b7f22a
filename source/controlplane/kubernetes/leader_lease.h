// Which of several control planes acts where one must: whoever holds a Lease of
// coordination.k8s.io, taken and renewed as Kubernetes' own controllers do it. Threads: it has its
// own; leads() from any. Owns: its thread; destroying it gives the Lease back, so that another need
// not wait for its end. The client must outlive it, and gives up a request within a few seconds.
// Errors: what fails is logged, once until it is over, and tried again; meanwhile another may take
// over. Clocks of two machines are not compared: each sees by its own how long the other is silent.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "source/kubernetes/api_client.h"

namespace kith::controlplane {

class LeaderLease {
 public:
  struct Options {
    const kubernetes::ApiClient* client = nullptr;
    std::string name_space;
    std::string name = "kith-controlplane";
    std::string identity;  // Unique among those that compete.
    // Of silence, before another takes over; whole seconds. Two thirds of it after its last renewal
    // the one that leads stops, for two must not lead at once; it renews every eighth.
    absl::Duration duration = absl::Seconds(15);
  };
  explicit LeaderLease(Options options);
  ~LeaderLease();
  LeaderLease(const LeaderLease&) = delete;
  LeaderLease& operator=(const LeaderLease&) = delete;

  // False as soon as the last renewal is older than the deadline, whatever the thread waits for.
  bool leads() const;

  // A name that no other process has: the machine's, and chance.
  static std::string MakeIdentity();

 private:
  void Run();
  // Whether the Lease is ours now.
  absl::StatusOr<bool> TakeOrRenew();
  void Release();
  void Tell(const absl::StatusOr<bool>& taken);

  const Options options_;
  const std::string folder_, path_;
  std::atomic<int64_t> leads_until_{0};  // Nanoseconds of the steady clock.
  // Of the thread.
  bool told_leading_ = false;
  std::string told_failure_;
  std::string seen_;        // Holder and renewal as they were read last,
  int64_t seen_since_ = 0;  // and since when they are these.
  std::mutex mutex_;        // Guards what follows.
  std::condition_variable stop_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace kith::controlplane
