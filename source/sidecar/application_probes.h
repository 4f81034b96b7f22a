// Kubernetes' probes and hooks of the application, asked in its place: the kubelet has no
// certificate, so it asks the sidecar's monitoring port, and the sidecar asks the application.
// Threads: the loop's. Owns: what it asks; destroying it abandons that.
// Errors: an application that does not answer well is answered with 500 (or its own status) and a
// line that says why.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "source/event/loop.h"
#include "source/http/embedded_message.h"
#include "source/sidecar/application_probe.h"
#include "source/sidecar/grpc_health.h"
#include "source/tls/upstream_context.h"

namespace kith::sidecar {

class ApplicationProbes {
 public:
  struct Target {
    std::string ip;      // Where the application listens.
    std::string source;  // What is connected from; empty: the kernel chooses.
  };

  ApplicationProbes(event::Loop& loop, std::vector<ApplicationProbe> probes, Target target);
  ~ApplicationProbes();
  ApplicationProbes(const ApplicationProbes&) = delete;
  ApplicationProbes& operator=(const ApplicationProbes&) = delete;

  // False, and the responder untouched, when the path is none of the probes'.
  bool Answer(const http::EmbeddedRequest& request, http::EmbeddedResponder& responder);

 private:
  class Attempt;

  event::Loop& loop_;
  const std::vector<ApplicationProbe> probes_;
  const Target target_;
  // Of HTTPS: no certificate is asked for a name, none is shown.
  const absl::StatusOr<std::shared_ptr<const tls::UpstreamContext>> tls_;
  std::list<std::unique_ptr<Attempt>> attempts_;
  GrpcHealth grpc_;
};

}  // namespace kith::sidecar
