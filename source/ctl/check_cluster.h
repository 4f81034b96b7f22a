// The checks of `kithctl check` in a Kubernetes cluster, before and after installation.
// Threads: one; it blocks for the API's answers. Owns: nothing; client and list must outlive it.
// Errors: none; what is wrong becomes a line of the list.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"
#include "source/ctl/check_list.h"
#include "source/kubernetes/api_client.h"

namespace kith::ctl {

class ClusterCheck {
 public:
  struct Options {
    const kubernetes::ApiClient* client = nullptr;
    std::string server;  // For people: "https://10.0.0.1:6443".
    std::string name_space = "kith-system";
    absl::Time now;
  };
  ClusterCheck(Options options, CheckList& list) : options_(std::move(options)), list_(list) {}

  // Whether the API answers: without it nothing else can be looked at.
  bool Api();
  // May what `kithctl install` prints be applied, and would it stand in somebody's way?
  void BeforeInstallation();
  void AfterInstallation();

 private:
  using Json = nlohmann::json;
  struct Injected {
    size_t pods = 0;
    std::vector<std::string> not_ready, other_versions, namespaces;
  };

  absl::StatusOr<Json> Get(const std::string& path) const;
  void Permission(const std::string& group, const std::string& resource, bool namespaced);
  void NoOther();
  void Definitions();
  void ControlPlane();
  // The roots that the control plane publishes; empty when it publishes none.
  std::string Roots();
  void Webhook(const std::string& kind, const std::string& resource, const std::string& roots);
  void DataPlane(const std::string& roots);
  void Collect(const Json& page, Injected& injected) const;

  const Options options_;
  CheckList& list_;
  std::string image_;  // Of the control plane.
};

}  // namespace kith::ctl
