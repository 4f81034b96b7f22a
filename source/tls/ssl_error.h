// What BoringSSL's error queue and a peer's alerts mean: one of the closed list of reasons and
// words for a person. Threads: any; the queue is the calling thread's. Owns: nothing. For tls/
// only. Errors: these are them.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "source/telemetry/reason.h"

namespace kith::tls {

struct SslError {
  uint32_t code = 0;  // As ERR_get_error() packs it; 0 when the queue was empty.

  // The alert by which the peer ended the connection, or -1.
  int alert() const;
  telemetry::Reason reason() const;
  // "wrong version number"; for an alert what the peer refused, its name, and what to check.
  std::string Text() const;
};

// The first error, which is the cause of the others; empties the queue.
SslError TakeSslError();

// "unknown_ca"; "alert_200" for a number without a name (RFC 8446 §6).
std::string AlertName(int alert);

}  // namespace kith::tls
