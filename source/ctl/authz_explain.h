// `kithctl authz explain`: what policies decide of one request, by which rule and clause, and what
// a denied one lacked. The request comes from flags, a file, lines of an access log, or, by its id,
// from a running sidecar.
// Threads: one. Owns: nothing. Errors: INVALID_ARGUMENT for what cannot be read; an admin client's
// own.
#pragma once

#include <string>

#include "CLI/CLI.hpp"
#include "absl/types/optional.h"
#include "source/ctl/authz_log.h"
#include "source/ctl/authz_request.h"
#include "source/ctl/command_line.h"

namespace kith::ctl {

void AddExplainCommand(CLI::App& authz, CommandLine& line);

// What is printed of one request. `record` is the line it came from, if it did.
std::string ExplainText(const Verdict& verdict, const LogRecord* record);
std::string ExplainJson(const Verdict& verdict, const LogRecord* record);

// A logged request, judged by what its line tells; nothing when that is too little: `missing` then
// says what is not known.
absl::optional<Verdict> ExplainLogged(const CaseContext& context, const LogRecord& record,
                                      std::vector<std::string>& missing);

}  // namespace kith::ctl
