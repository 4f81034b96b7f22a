// The fields of an HTTP/2 head, made from one that may have come over HTTP/1.1: names in lower
// case, pseudo-headers first, nothing that speaks of a connection.
// Threads: one at a time. Owns: the text of one head, reused for the next.
// Errors: none.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "source/http/message.h"
#include "source/proxy/stored_request.h"

namespace kith::proxy {

class Http2Fields {
 public:
  // Each replaces what was there; the result is valid until the next call.
  absl::Span<const http::Header> OfRequest(const StoredRequest& request, absl::string_view scheme);
  absl::Span<const http::Header> OfResponse(const http::ResponseHead& head);
  absl::Span<const http::Header> OfTrailers(absl::Span<const http::Header> trailers);
  // Of an answer with a text of that length.
  absl::Span<const http::Header> OfAnswer(int status, size_t length);

 private:
  struct Field {
    size_t name_size, value_size;
  };
  void Clear();
  void Add(absl::string_view name, absl::string_view value);
  absl::Span<const http::Header> View();

  std::string text_;
  std::vector<Field> fields_;
  std::vector<http::Header> view_;
};

}  // namespace kith::proxy
