// A line of the access log: what it says of a request or a connection, and its form in JSON.
// Threads: any. Owns: nothing; every view is borrowed for the call.
// Errors: none. Bytes of a peer are escaped and bounded: whatever they are, a line stays one line.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "source/telemetry/reason.h"

namespace kith::telemetry {

// One side of a connection. Empty fields are left out of the line.
struct AccessParty {
  absl::string_view address;
  absl::string_view principal;
  absl::string_view serial;  // Of the certificate it presented.
};

// Empty strings are left out.
struct AccessEntry {
  absl::Time time;              // When the request or connection began.
  absl::string_view kind;       // "http", "tcp".
  absl::string_view direction;  // "inbound", "outbound".
  absl::string_view request_id;
  AccessParty source;
  AccessParty destination;
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
  int rule = -1;
  Reason reason = Reason::kNone;
  absl::string_view detail;
};

// Appends the line, with its end, to `out`.
void FormatAccessEntry(const AccessEntry& entry, std::string& out);

}  // namespace kith::telemetry
