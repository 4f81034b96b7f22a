// What kithctl does, apart from its command line: each command asks one admin socket and prints.
// Threads: one. Owns: nothing. Errors: a Status whose message is the one line a person reads.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "source/ctl/admin_client.h"
#include "source/ctl/output.h"

namespace kith::ctl {

// The workloads of the mesh, as the control plane knows them.
absl::Status ShowMesh(const AdminClient& control_plane, Output output);
// One sidecar: its identity, configuration and connections.
absl::Status ShowSidecar(const AdminClient& sidecar, Output output);

struct TokenRequest {
  enum class Use {
    kAny,   // Until it ends.
    kJoin,  // Once.
  };
  Use use = Use::kAny;
  std::string name_space;
  std::string service_account;
  std::string ttl;   // As typed: "24h".
  std::string file;  // Written with mode 0600; standard output when empty.
};
absl::Status CreateToken(const AdminClient& control_plane, const TokenRequest& request,
                         Output output);

// The certificates a sidecar presents and trusts.
absl::Status ShowCertificates(const AdminClient& sidecar, Output output);
// Has a sidecar fetch a certificate with a new key now, and waits until it presents it.
absl::Status RotateCertificate(const AdminClient& sidecar, absl::Duration timeout, Output output);

}  // namespace kith::ctl
