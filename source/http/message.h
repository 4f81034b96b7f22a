// The head of an HTTP message as HTTP/1.1's and HTTP/2's parsers deliver it, and how its body ends.
// Threads: plain values. Owns: nothing: every view points into the bytes that were parsed and dies
// with the callback that delivered the head; what is needed later is copied.
// Errors: none; a head that exists has passed every check in http/head_rules.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace kith::http {

struct Header {
  absl::string_view name;   // As received: its case is the sender's.
  absl::string_view value;  // Without the white space around it.
  // Meant for the next hop only (RFC 9110 §7.6.1), by its name or because Connection nominates it:
  // a proxy never forwards it.
  bool hop_by_hop = false;
};

enum class BodyKind : uint8_t {
  kNone,        // Nothing follows the head, whatever Content-Length says (HEAD, 204, 304, CONNECT).
  kLength,      // Exactly Framing::length bytes.
  kChunked,     // Chunks, then perhaps trailers.
  kUntilClose,  // Responses only: everything until the peer ends the connection.
};

struct Framing {
  BodyKind kind = BodyKind::kNone;
  uint64_t length = 0;  // For kLength.
};

enum class TargetForm : uint8_t {
  kOrigin,     // /path?query
  kAbsolute,   // http://host/path?query
  kAuthority,  // host:port, for CONNECT
  kAsterisk,   // *, for OPTIONS
};

struct MessageHead {
  int version_minor = 1;  // HTTP/1.0 or HTTP/1.1.
  std::vector<Header> headers;
  Framing framing;
  bool keep_alive = false;    // The connection can carry another message after this one.
  bool complete = false;      // HTTP/2: the message ends with its head.
  absl::string_view upgrade;  // Upgrade's value when Connection nominates it; otherwise empty.

  // The first header of that name, without regard to case; null when there is none.
  const Header* Find(absl::string_view name) const;
};

struct RequestHead : MessageHead {
  absl::string_view method;
  absl::string_view target;  // As received.
  TargetForm target_form = TargetForm::kOrigin;
  absl::string_view path;  // Path and query: "/" at least; "*" for OPTIONS *; empty for CONNECT.
  absl::string_view host;  // Host as received; empty only in HTTP/1.0.
  bool expect_continue = false;
  bool is_connect = false;
};

struct ResponseHead : MessageHead {
  int status = 0;  // 100 to 599.
  absl::string_view reason;

  // 100 to 199 but not 101: another head follows for the same request.
  bool is_informational() const { return status < 200 && status != 101; }
};

// The first header of that name, without regard to case; null when there is none.
const Header* Find(absl::Span<const Header> headers, absl::string_view name);

// Whether RFC 9110 §7.6.1 makes a header of this name hop-by-hop, nominated or not.
bool IsHopByHop(absl::string_view name);

}  // namespace kith::http
