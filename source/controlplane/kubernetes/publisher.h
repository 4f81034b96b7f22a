// Keeps in the cluster what follows from the authority's roots: the ConfigMap that sidecars trust
// the control plane by, in every namespace, and the caBundle of Kith's webhook configurations.
// Threads: it has its own; SetRoots() from any.
// Owns: its thread; destroying it waits for the request being made. The client must outlive it.
// Errors: what fails is logged, once until it is over, and tried again at the next round. Several
// control planes of one authority would write the same; one of them does (leader_lease.h).
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "source/kubernetes/api_client.h"

namespace kith::controlplane {

class RootsPublisher {
 public:
  struct Options {
    const kubernetes::ApiClient* client = nullptr;
    std::string roots_pem;
    std::string config_map = "kith-root-cert";
    std::string webhooks = "kith";  // The name of both webhook configurations; empty: none.
    std::vector<std::string> ignored_namespaces;
    // Whether this one of several control planes writes, asked before each round; null: it does.
    std::function<bool()> leads;
    // A new namespace has its ConfigMap after so long at most; its pods wait for it.
    absl::Duration round = absl::Seconds(5);
  };
  explicit RootsPublisher(Options options);
  ~RootsPublisher();
  RootsPublisher(const RootsPublisher&) = delete;
  RootsPublisher& operator=(const RootsPublisher&) = delete;

  void SetRoots(std::string roots_pem);

 private:
  void Run();
  absl::Status Publish(const std::string& roots_pem);
  absl::Status PublishTo(const std::string& name_space, const std::string& roots_pem);
  absl::Status SetCaBundle(const std::string& kind, const std::string& roots_pem);

  const Options options_;
  std::string told_;  // The failure that is logged.
  std::mutex mutex_;  // Guards what follows.
  std::condition_variable changed_;
  std::string roots_pem_;
  bool new_roots_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace kith::controlplane
