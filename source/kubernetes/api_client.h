// Kubernetes' API: HTTPS with a pod's service account token, which is read afresh for every request
// because the kubelet replaces it, or with what a person's kubeconfig has (kubeconfig.h).
// Threads: any, at once; every call blocks its own.
// Owns: nothing between calls; each has a connection of its own.
// Errors: UNAVAILABLE and DEADLINE_EXCEEDED of the connection; UNAUTHENTICATED, PERMISSION_DENIED,
// NOT_FOUND, ALREADY_EXISTS (409) and OUT_OF_RANGE (410) of the API, each with the server's words.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace kith::kubernetes {

class ApiClient {
 public:
  struct Options {
    std::string host;
    uint16_t port = 443;
    std::string server_name;  // That its certificate must name; empty: `host`.
    std::string ca_file = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";
    std::string ca_pem;  // In place of the file.
    std::string token_file = "/var/run/secrets/kubernetes.io/serviceaccount/token";  // Empty: none.
    std::string token;  // In place of the file.
    // A client certificate; empty: none.
    std::string chain_pem;
    std::string key_pem;
    std::string user_agent = "kith-controlplane";
    absl::Duration timeout = absl::Seconds(30);          // Of one request.
    size_t max_answer_bytes = size_t{64} * 1024 * 1024;  // A page of a list, or a line of a watch.

    // From KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT, as every pod has them.
    static absl::StatusOr<Options> InCluster();
  };
  explicit ApiClient(Options options) : options_(std::move(options)) {}

  struct Answer {
    std::string body;
    absl::Time date = absl::InfinitePast();  // The server's clock; InfinitePast: it did not say.
  };
  // A 2xx answer. `body` is JSON; empty sends none.
  absl::StatusOr<Answer> Ask(const std::string& method, const std::string& target,
                             absl::string_view body = "") const;
  // Its body alone.
  absl::StatusOr<std::string> Call(const std::string& method, const std::string& target,
                                   absl::string_view body = "") const;

  // Gives each line of the answer as it comes, until the server ends it, `line` returns false, or
  // nothing has come for `idle`.
  absl::Status Stream(const std::string& target, absl::Duration idle,
                      const std::function<bool(absl::string_view)>& line) const;

 private:
  struct Exchange;
  absl::StatusOr<std::string> Head(const Exchange& exchange) const;
  absl::Status Run(Exchange& exchange) const;

  const Options options_;
};

}  // namespace kith::kubernetes
