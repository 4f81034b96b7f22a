// kithctl ca revoke, unrevoke and revocations: what the control plane's admin socket is asked.
// Threads: one. Owns: nothing. Errors: a Status whose message is the one line a person reads.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "source/ctl/admin_client.h"
#include "source/ctl/output.h"

namespace kith::ctl {

struct RevocationRequest {
  std::string serial;     // Either this
  std::string principal;  // or this.
  std::string reason = "unspecified";
};

absl::Status Revoke(const AdminClient& control_plane, const RevocationRequest& request,
                    Output output);
absl::Status Unrevoke(const AdminClient& control_plane, const std::string& principal,
                      Output output);
absl::Status ShowRevocations(const AdminClient& control_plane, Output output);

}  // namespace kith::ctl
