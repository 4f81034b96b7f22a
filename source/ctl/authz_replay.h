// `kithctl authz replay`: what other policies would decide of the requests that a log tells of.
// Threads: one. Owns: what it counted. Errors: INVALID_ARGUMENT for what cannot be read, and for
// workloads whose labels matter and are not known.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "source/ctl/authz_context.h"
#include "source/ctl/authz_log.h"
#include "source/ctl/authz_options.h"
#include "source/ctl/command_line.h"

namespace kith::ctl {

// Requests that fare alike: from one source to one workload, the same before and after.
struct ReplayGroup {
  std::string workload, source, before, after;  // "allowed", "denied"; after: "unknown" too.
  std::string why;  // The rule, the nearest rule, or what the log does not tell.
  size_t count = 0;
  std::string example;  // "GET /items on port 8080, 2026-01-02T03:04:05Z, request 4f2a".
};

class Replay {
 public:
  // `old_policies`: null compares with what the log records.
  Replay(const AuthzContext& new_policies, const AuthzContext* old_policies,
         const WorkloadLabels& labels)
      : new_(new_policies), old_(old_policies), labels_(labels) {}

  absl::Status Add(const LogRecord& record);

  // Those whose decision changes, then those that cannot be judged; the greatest first.
  std::vector<ReplayGroup> Groups() const;
  size_t judged() const { return judged_; }
  size_t changed() const { return changed_; }
  size_t unknown() const { return unknown_; }
  size_t passed_over() const { return passed_over_; }  // Outbound, or without a decision.

 private:
  struct Contexts {
    CaseContext before, after;
  };
  absl::StatusOr<const Contexts*> ContextsOf(const std::string& workload);
  void Count(ReplayGroup group, const LogRecord& record);

  const AuthzContext& new_;
  const AuthzContext* const old_;
  const WorkloadLabels& labels_;
  std::map<std::string, Contexts> contexts_;
  std::map<std::tuple<std::string, std::string, std::string, std::string, std::string>, ReplayGroup>
      groups_;
  size_t judged_ = 0, changed_ = 0, unknown_ = 0, passed_over_ = 0;
};

void AddReplayCommand(CLI::App& authz, CommandLine& line);

}  // namespace kith::ctl
