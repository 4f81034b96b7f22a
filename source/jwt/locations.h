// Where a request carries tokens: headers, query parameters, cookies; and the request without them.
// Threads: any, pure. Owns: what it returns. Errors: none: what cannot be decoded holds no token.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "source/http/message.h"
#include "source/jwt/rule.h"

namespace kith::jwt {

// A request as it is looked at here. Borrowed for the call.
struct RequestView {
  absl::string_view method;
  absl::string_view target;  // Path and query, as they are forwarded.
  absl::string_view host;
  absl::Span<const http::Header> headers;
};

// Every token at the rule's locations, in their order.
std::vector<std::string> FindTokens(const Rule& rule, const RequestView& request);

// The query without the rule's parameters. False when none is there.
bool WithoutParameters(const Rule& rule, absl::string_view target, std::string& out);
// The Cookie header's value without the rule's cookies; empty when nothing is left of it. False
// when none is there.
bool WithoutCookies(const Rule& rule, absl::Span<const http::Header> headers, std::string& out);

}  // namespace kith::jwt
