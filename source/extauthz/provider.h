// An external authorizer as a mesh's configuration describes it (Istio's extensionProviders).
// Threads: plain values. Owns: itself.
// Errors: From() begins with the field.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace kith::meshconfig::v1 {
class ExtensionProvider;
}

namespace kith::extauthz {

struct Provider {
  enum class Protocol : uint8_t { kGrpc, kHttp };

  std::string name;
  Protocol protocol = Protocol::kGrpc;
  std::string service;  // Without a namespace.
  uint16_t port = 0;
  absl::Duration timeout = absl::Seconds(600);
  bool fail_open = false;     // Whether its failures let requests pass.
  int status_on_error = 403;  // What is answered when they do not.

  // What it is shown of a request's body.
  struct Body {
    static constexpr uint32_t kMaxBytes = 1024 * 1024;
    uint32_t max_bytes = 0;  // 0: nothing.
    bool partial = false;    // The beginning of longer ones; otherwise they are refused.
    bool as_bytes = false;   // kGrpc only: in raw_body.
    friend bool operator==(const Body&, const Body&) = default;
  };
  Body body;

  // kHttp only. A "*" at the end of a header's name makes it a prefix, one at its beginning a
  // suffix.
  std::string path_prefix;
  std::vector<std::string> request_headers;
  std::vector<std::pair<std::string, std::string>> additional_headers;
  std::vector<std::string> upstream_on_allow;
  std::vector<std::string> downstream_on_deny;  // None: all of them.
  std::vector<std::string> downstream_on_allow;

  std::vector<std::string> addresses;  // "ip:port" or "host:port"; none: it cannot be asked.

  friend bool operator==(const Provider&, const Provider&) = default;

  // Its host and port, for people.
  std::string where() const;

  static absl::StatusOr<Provider> From(const meshconfig::v1::ExtensionProvider& from);
};

}  // namespace kith::extauthz
