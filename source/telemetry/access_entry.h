// A line of the access log: what it says of a request or a connection, and its form in JSON.
// Threads: any. Owns: nothing; every view is borrowed for the call.
// Errors: none. Bytes of a peer are escaped and bounded: whatever they are, a line stays one line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "source/telemetry/reason.h"

namespace kith::telemetry {

// A longer field is cut to this many bytes, or up to three fewer.
inline constexpr size_t kLongestAccessField = 2048;

// One side of a connection. Empty fields are left out of the line.
struct AccessParty {
  absl::string_view address;
  absl::string_view principal;
  absl::string_view serial;    // Of the certificate it presented.
  absl::string_view workload;  // "namespace/name".
};

// A request's header, as it was sent: one line of it.
using AccessHeader = std::pair<absl::string_view, absl::string_view>;

// Empty strings are left out.
struct AccessEntry {
  absl::Time time;              // When the request or connection began.
  absl::string_view kind;       // "http", "tcp".
  absl::string_view direction;  // "inbound", "outbound".
  absl::string_view request_id;
  AccessParty source;
  AccessParty destination;
  uint16_t port = 0;                    // The workload's, which policies name; 0: not known.
  absl::string_view bind;               // The address that the peer connected to.
  absl::string_view request_principal;  // Whom the verified token is for.
  absl::string_view service;
  absl::string_view tls_version;
  absl::string_view alpn;
  absl::string_view sni;
  absl::string_view method;
  absl::string_view path;  // Logged up to its query: secrets hide there.
  absl::string_view host;
  int status = 0;  // 0: none was sent.
  uint64_t bytes_received = 0;
  uint64_t bytes_sent = 0;
  absl::Duration duration;
  absl::string_view decision;  // "allowed", "denied", or empty when nothing was decided.
  absl::string_view policy;
  // The policy's rule, and the rule's clauses that matched; -1: none.
  int rule = -1;
  int from = -1;
  int to = -1;
  absl::string_view audit_policy;  // Of AUDIT, that matched.
  // What the policies that are only tried out would have decided; empty: there are none.
  absl::string_view dry_run_decision;
  absl::string_view dry_run_policy;
  int dry_run_rule = -1;
  // Headers that are logged by name, and their lines; a name without lines was not sent.
  absl::Span<const std::string> header_names;
  absl::Span<const AccessHeader> headers;
  Reason reason = Reason::kNone;
  absl::string_view detail;
};

// Appends the line, with its end, to `out`.
void FormatAccessEntry(const AccessEntry& entry, std::string& out);

}  // namespace kith::telemetry
