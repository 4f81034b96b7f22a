// Where an OCSP responder that somebody else's certificate names may be asked: at public addresses,
// and in networks that were named. Otherwise a certificate could send requests to whatever listens
// beside the sidecar or in its network.
// Threads: immutable. Owns: itself.
// Errors: Create(): INVALID_ARGUMENT that quotes the network. Check(): PERMISSION_DENIED.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "source/base/socket_address.h"

namespace kith::identity {

class ResponderNetworks {
 public:
  // Public addresses only.
  ResponderNetworks() = default;
  // `allowed`: beside those, "10.20.0.0/16" or a single address.
  static absl::StatusOr<ResponderNetworks> Create(const std::vector<std::string>& allowed);

  absl::Status Check(const base::SocketAddress& address) const;

 private:
  std::vector<std::string> allowed_;  // As bits (policy/ip_block.h).
};

}  // namespace kith::identity
