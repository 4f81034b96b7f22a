// `kithctl authz lint`: policy/lint.h's findings, with the file and line of each.
// Threads: one. Owns: nothing. Errors: INVALID_ARGUMENT for a file that cannot be read at all.
#pragma once

#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "source/config/document.h"
#include "source/ctl/command_line.h"
#include "source/policy/lint.h"

namespace kith::ctl {

struct PlacedFinding {
  policy::Finding finding;
  std::string file;
  int line = 0;
};

struct LintSettings {
  policy::PolicySet::Options mesh;
  std::vector<std::string> federated;
};

// Of all documents: AuthorizationPolicies are judged; PeerAuthentications, Services and
// WorkloadEntries are what they are judged beside.
std::vector<PlacedFinding> LintDocuments(const std::vector<config::Document>& documents,
                                         const LintSettings& settings);

// The line of the field, or of the nearest above it that is written: "spec.rules[0].to[1]".
int LineOf(const config::Document& document, absl::string_view field);

void AddLintCommand(CLI::App& authz, CommandLine& line);

}  // namespace kith::ctl
