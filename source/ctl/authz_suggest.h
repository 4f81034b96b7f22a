// `kithctl authz suggest`: ALLOW policies that let through what an access log tells was let
// through, and little else: by workload, who called it, with which methods, on which paths and
// ports.
// Threads: one. Owns: what it was given. Errors: INVALID_ARGUMENT for a workload whose labels are
// not known, and for lines that cannot be allowed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "source/ctl/authz_log.h"
#include "source/ctl/authz_options.h"
#include "source/ctl/command_line.h"

namespace kith::ctl {

class Suggestion {
 public:
  // Values at one place of a path; more are folded into "{*}".
  explicit Suggestion(size_t most_values) : most_values_(most_values) {}

  void Add(const LogRecord& record);
  // YAML, a document for each workload, with comments that say how many requests stand behind it.
  absl::StatusOr<std::string> Yaml(const WorkloadLabels& labels) const;
  size_t requests() const { return requests_; }

 private:
  // Who called: a principal, or the address of a peer without one.
  struct Caller {
    std::string principal, ip;
    friend auto operator<=>(const Caller&, const Caller&) = default;
  };
  struct Operation {
    uint16_t port = 0;
    std::set<std::string> methods, paths;  // None: any.
    friend auto operator<=>(const Operation&, const Operation&) = default;
  };
  struct Rule {
    std::vector<Caller> callers;
    std::vector<Operation> operations;
    size_t requests = 0;
  };
  struct Seen {
    // By caller, then by port and method, the paths and how often each; no method: a TCP stream.
    std::map<Caller, std::map<std::pair<uint16_t, std::string>, std::map<std::string, size_t>>>
        calls;
    size_t requests = 0, denied = 0;
    size_t ambiguous = 0;  // Paths that are refused once a policy reads paths.
    std::string first, last;
  };

  std::vector<Rule> RulesOf(const Seen& seen) const;
  static void Append(const Rule& rule, std::string& yaml);
  void Append(const std::string& workload, const Seen& seen, const WorkloadSpec& spec,
              std::string& yaml) const;

  const size_t most_values_;
  std::map<std::string, Seen> workloads_;
  size_t requests_ = 0;
};

void AddSuggestCommand(CLI::App& authz, CommandLine& line);

}  // namespace kith::ctl
