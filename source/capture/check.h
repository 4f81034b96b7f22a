// Proves by connections of its own that capture works in this network namespace.
// Threads: any; blocks for at most some seconds. Owns: its sockets and children while it runs.
// Errors: none; what does not work is a finding.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "source/capture/rules.h"

namespace kith::capture {

struct Finding {
  enum class Result : uint8_t { kWorks, kFails, kNotTried };
  std::string what;  // "outbound IPv4".
  Result result = Result::kWorks;
  std::string detail;  // What is wrong and what to do; why it was not tried.
};

// Each probe connects to an address of documentation (RFC 5737, RFC 3849), which only answers when
// it is captured. Where the sidecar does not listen yet, the check listens in its place and
// compares the original destination as well. Outbound probes need another user than the proxy's.
std::vector<Finding> Check(const Rules& rules, absl::Duration timeout);

}  // namespace kith::capture
