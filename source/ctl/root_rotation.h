// `kithctl ca rotate`: the replacement of the mesh's root, through the control plane's socket.
// Threads: one. Owns: nothing. Errors: a Status whose message is the line a person reads;
// INVALID_ARGUMENT for files that cannot be read.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "nlohmann/json_fwd.hpp"
#include "source/ctl/admin_client.h"
#include "source/ctl/output.h"

namespace kith::ctl {

struct RotationStart {
  std::string key_type = "P-256";
  bool manual = false;  // A flag of the command line: waits for `continue` at each step.
  // Of a root that is brought; empty makes one.
  std::string certificate_file;
  std::string key_file;
  std::string root_file;
};
absl::Status StartRotation(const AdminClient& control_plane, const RotationStart& start,
                           Output output);
absl::Status ShowRotation(const AdminClient& control_plane, Output output);
absl::Status ContinueRotation(const AdminClient& control_plane, const std::string& force,
                              Output output);
absl::Status AbortRotation(const AdminClient& control_plane, Output output);

// What ShowRotation() prints as a table.
std::string RotationTable(const nlohmann::json& rotation, absl::Time now);

}  // namespace kith::ctl
