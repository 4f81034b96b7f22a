// A request that is decided without a sidecar, by the sidecar's own engine and path normalization:
// whoever describes one (a test, flags, a line of a log) fills in an AuthzRequest.
// Threads: one. Owns: what it was given; a Verdict borrows the names of its policies from the
// context's PolicySet. Errors: none; what a sidecar would refuse is a Verdict that says so.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/types/optional.h"
#include "source/base/socket_address.h"
#include "source/http/path.h"
#include "source/policy/claims.h"
#include "source/policy/peer_authentication.h"
#include "source/policy/policy_set.h"

namespace kith::ctl {

// What decides.
struct CaseContext {
  std::string file;  // For errors about what is read.
  std::shared_ptr<const policy::PolicySet> policies;
  policy::EffectiveMtls mtls;
  http::PathMode path_mode = http::PathMode::kDecodeAndMergeSlashes;
  std::vector<std::string> space_delimited;
};

struct AuthzRequest {
  enum class Path { kAsSent, kNormalized };

  std::string principal;  // With or without "spiffe://"; empty: the peer speaks plaintext.
  absl::optional<base::SocketAddress> source, remote, destination;
  uint16_t port = 0;
  std::string sni;

  bool http = false;  // Else a TCP stream.
  std::string method, host;
  absl::optional<std::string> path;  // Nothing: a CONNECT.
  Path path_is = Path::kAsSent;
  std::vector<std::pair<std::string, std::string>> headers;
  absl::optional<policy::Claim> claims;  // Of a verified token.
  std::string serial;  // Of the peer's certificate, lower-case hex; empty: unknown.
};

struct Verdict {
  bool allowed = false;
  std::string explanation;  // In one line.
  // By policies; nothing when the sidecar refuses before it asks them.
  absl::optional<policy::Explanation> reasons;
  // Of the policies that are only tried out; nothing when there are none.
  absl::optional<policy::Decision> dry_run;
};

Verdict DecideRequest(const CaseContext& context, const AuthzRequest& request);

// The same of a request of which not everything is known. `refusal` says why the sidecar refuses it
// whatever its policies say; empty: it does not.
struct PartialVerdict {
  policy::PartialDecision decision;
  std::string refusal;
};
PartialVerdict DecidePartly(const CaseContext& context, const AuthzRequest& request,
                            const policy::Unknown& unknown);

}  // namespace kith::ctl
