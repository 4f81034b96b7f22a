// Lines of an access log for tests, written by the sidecar's own code.
// Threads: any. Owns: nothing. Errors: none.
#pragma once

#include <string>

#include "source/telemetry/access_entry.h"

namespace kith::ctl {

// An allowed GET /items of the frontend to demo/backend, port 8080.
inline telemetry::AccessEntry ItemsEntry() {
  telemetry::AccessEntry entry;
  entry.time = absl::FromCivil(absl::CivilSecond(2026, 1, 2, 3, 4, 5), absl::UTCTimeZone());
  entry.kind = "http";
  entry.direction = "inbound";
  entry.request_id = "4f2a";
  entry.source = {"10.0.0.7:40000", "spiffe://cluster.local/ns/demo/sa/frontend", "0a", ""};
  entry.destination = {"127.0.0.1:8080", "spiffe://cluster.local/ns/demo/sa/backend", "0b",
                       "demo/backend"};
  entry.bind = "10.0.0.9:16080";
  entry.port = 8080;
  entry.tls_version = "TLSv1.3";
  entry.sni = "backend.demo";
  entry.method = "GET";
  entry.path = "/items";
  entry.host = "backend";
  entry.status = 200;
  entry.decision = "allowed";
  return entry;
}

inline std::string LineOf(const telemetry::AccessEntry& entry) {
  std::string line;
  telemetry::FormatAccessEntry(entry, line);
  return line;
}

}  // namespace kith::ctl
