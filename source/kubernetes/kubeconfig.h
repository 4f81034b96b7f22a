// A person's way to a cluster: the file that kubectl uses, as far as it needs no other program.
// Threads: any. Owns: plain values.
// Errors: NOT_FOUND when there is no such file; INVALID_ARGUMENT "file: users[…].exec: …" for what
// is wrong or is not supported: plug-ins (exec, auth-provider), passwords, and servers whose
// certificate is not to be checked.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "source/kubernetes/api_client.h"

namespace kith::kubernetes {

// The first file of KUBECONFIG, else ~/.kube/config.
std::string DefaultKubeconfig();

// `context`: empty means the file's current one.
absl::StatusOr<ApiClient::Options> ReadKubeconfig(const std::string& file,
                                                  const std::string& context);

// "https://host[:port]" into where it leads; only https.
absl::Status SetServer(const std::string& url, ApiClient::Options& options);

}  // namespace kith::kubernetes
