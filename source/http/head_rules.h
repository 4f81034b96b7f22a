// What makes a syntactically sound head acceptable, and what it means: framing, Host, target form,
// connection options (RFC 9112 §3 and §6, RFC 9110 §7).
// Threads: any. Owns: nothing.
// Errors: a ParseError; kNone when the head stands.
#pragma once

#include "source/http/message.h"
#include "source/http/parse_error.h"

namespace kith::http {

// What a response answers, as far as its framing depends on it.
struct ResponseContext {
  bool to_head = false;          // The request was HEAD: no body follows.
  bool to_connect = false;       // The request was CONNECT: after 2xx the bytes are the tunnel's.
  bool upgrade_offered = false;  // The request carried Upgrade: 101 is allowed.
};

// Both fill in everything that is not the start line or the headers' text.
ParseError FinishRequest(RequestHead& head);
ParseError FinishResponse(const ResponseContext& context, ResponseHead& head);

// Whether a trailer of this name must not reach the application: framing, routing, credentials.
bool IsForbiddenTrailer(absl::string_view name);

// host or host:port with a DNS-like name or an IP address, in the characters of such names only.
bool IsValidAuthority(absl::string_view text);

}  // namespace kith::http
