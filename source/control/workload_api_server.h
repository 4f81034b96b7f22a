// Serves the SPIFFE Workload API to the application beside the sidecar: its X509-SVID and the trust
// bundles, pushed again at each rotation and each change of a bundle. The JWT and WIT methods are
// answered UNIMPLEMENTED.
// Threads: the loop's; gRPC's threads answer calls from what was published last.
// Owns: the socket, the gRPC server and its streams, which end when it is destroyed.
// Errors: Create() when the socket cannot be made. Calls are refused as the standard says:
// INVALID_ARGUMENT without the metadata, PERMISSION_DENIED to a user that is not allowed,
// UNAVAILABLE until there is an identity, RESOURCE_EXHAUSTED past the limit.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "source/event/loop.h"
#include "source/telemetry/metrics.h"
#include "source/tls/context.h"

namespace kith::control {

class WorkloadApiServer {
 public:
  struct Options {
    std::string path;                       // Of the UNIX socket.
    int mode = 0600;                        // Of its file.
    std::vector<uint32_t> uids = {};        // Who may ask; empty: this process's own user and root.
    size_t max_streams = 128;               // Open at one time.
    telemetry::Metrics* metrics = nullptr;  // None counts nothing.
  };
  static absl::StatusOr<std::unique_ptr<WorkloadApiServer>> Create(event::Loop& loop,
                                                                   Options options);
  ~WorkloadApiServer();
  WorkloadApiServer(const WorkloadApiServer&) = delete;
  WorkloadApiServer& operator=(const WorkloadApiServer&) = delete;

  // What is served from now on; each open stream gets it if it is news to it. An error when the
  // identity cannot be put into the API's form; what was served stays.
  absl::Status Publish(const tls::Context& context);

 private:
  class Service;
  struct Parts;
  explicit WorkloadApiServer(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace kith::control
