// The admin API of a control plane or a sidecar, over its UNIX socket, as JSON.
// Threads: any; it blocks. Owns: nothing between calls.
// Errors: what http/blocking_client.h reports, and the server's own {"error"} as a Status:
// FAILED_PRECONDITION for 4xx, INTERNAL for the rest.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nlohmann/json_fwd.hpp"

namespace kith::ctl {

class AdminClient {
 public:
  // `socket` is a path; `what` names the program behind it, for messages: "the control plane".
  AdminClient(std::string socket, std::string what)
      : socket_(std::move(socket)), what_(std::move(what)) {}

  absl::StatusOr<nlohmann::json> Get(absl::string_view path) const;
  absl::StatusOr<nlohmann::json> Post(absl::string_view path, const nlohmann::json& body) const;

 private:
  absl::StatusOr<nlohmann::json> Request(absl::string_view method, absl::string_view path,
                                         std::string body) const;

  const std::string socket_;
  const std::string what_;
};

}  // namespace kith::ctl
