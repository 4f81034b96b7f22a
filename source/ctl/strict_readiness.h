// `kithctl strict-readiness`: who still comes in plaintext, whom a STRICT PeerAuthentication would
// break; from access logs, or from what a running sidecar has seen.
// Threads: one. Owns: what it counted. Errors: INVALID_ARGUMENT for what cannot be read; an admin
// client's own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "nlohmann/json_fwd.hpp"
#include "source/ctl/authz_log.h"
#include "source/ctl/command_line.h"

namespace kith::ctl {

struct PlaintextClient {
  std::string ip, workload;
  uint16_t port = 0;
  size_t count = 0;  // Requests and connections that a log tells of; connections of a sidecar.
  std::string last;  // RFC 3339.
};

class StrictReadiness {
 public:
  void Add(const LogRecord& record);
  // A sidecar's answer on /v1/plaintext; `workload` is its own.
  absl::Status AddSidecar(const nlohmann::json& answer, const std::string& workload);

  // The latest first.
  std::vector<PlaintextClient> Clients() const;
  uint64_t beyond() const { return beyond_; }

 private:
  void Count(PlaintextClient client);

  std::map<std::tuple<std::string, std::string, uint16_t>, PlaintextClient> clients_;
  uint64_t beyond_ = 0;  // Connections of clients that a sidecar had no room to name.
};

void AddStrictReadinessCommand(CLI::App& app, CommandLine& line);

}  // namespace kith::ctl
