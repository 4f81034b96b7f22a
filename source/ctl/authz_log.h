// Lines of the access log (docs/access-log.md) as requests that can be judged again, and what they
// do not tell.
// Threads: one. Owns: what it read.
// Errors: INVALID_ARGUMENT that says what is wrong with a line; whoever reads a file counts such
// lines and goes on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "source/ctl/authz_request.h"
#include "source/policy/partial.h"

namespace kith::ctl {

struct LogRecord {
  std::string time;  // RFC 3339.
  bool http = false;
  bool inbound = false;
  bool mutual_tls = false;
  std::string request_id;
  std::string source_address, source_principal, source_serial;
  std::string workload;  // "namespace/name" of who answered.
  std::string bind;      // Where it was reached, "ip:port".
  uint16_t port = 0;     // The workload's; 0: not logged.
  std::string sni;
  std::string method, path, host, request_principal;
  std::map<std::string, std::vector<std::string>> headers;  // Those that are logged, by name.
  std::string decision;  // "allowed", "denied"; empty: it came to none.
  std::string policy;
  int rule = -1;
  std::string reason;
  std::string dry_run_decision, dry_run_policy, audit_policy;

  // The source's IP address, or its principal without "spiffe://" where it has one.
  std::string Source() const;
};

absl::StatusOr<LogRecord> ParseLogLine(absl::string_view line);

// The request, once for each way to read it: an issuer and a subject are logged with one "/"
// between them, and either may hold more. `unknown` is what the line does not tell.
std::vector<AuthzRequest> RequestsOf(const LogRecord& record, policy::Unknown& unknown);

// What the policies say of a logged request, if the line tells enough.
struct LoggedVerdict {
  policy::Truth allowed = policy::Truth::kUnknown;
  std::vector<std::string> missing;  // For kUnknown: what the line would have to tell.
  std::string refusal;               // Why it is refused whatever policies say; empty: it is not.
};
LoggedVerdict JudgeLogged(const CaseContext& context, const LogRecord& record);

struct LogCounts {
  size_t lines = 0;
  size_t unreadable = 0;
  std::string first_error;  // "access.log:7: ...".
};
// Every line of these files, "-" being the standard input. INVALID_ARGUMENT when one cannot be
// opened.
absl::StatusOr<LogCounts> ReadLogs(const std::vector<std::string>& files,
                                   const std::function<void(const LogRecord&)>& take);

}  // namespace kith::ctl
