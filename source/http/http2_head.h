// The header block of an HTTP/2 message: gathered field by field, then read as the same head that
// HTTP/1.1 gives (RFC 9113 §8.2 and §8.3), so that one set of rules decides both.
// Threads: one at a time. Owns: the text of one block; heads made from it point into it and die
// with the next Clear(). Errors: a ParseError, as for HTTP/1.1.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "source/http/head_rules.h"
#include "source/http/message.h"
#include "source/http/parse_error.h"

namespace kith::http {

// Whether END_STREAM came with the block: nothing follows it.
enum class BlockEnd : uint8_t { kStreamGoesOn, kStreamEnds };

class Http2Head {
 public:
  struct Limits {
    size_t bytes = size_t{32} * 1024;  // Of all names and values.
    size_t fields = 100;
  };
  explicit Http2Head(const Limits& limits) : limits_(limits) {}

  void Clear();
  // What exceeds the limits is not kept, only counted.
  void Add(absl::string_view name, absl::string_view value);
  // Decoded so far, also beyond the limit.
  size_t bytes() const { return bytes_; }

  // Each fills in everything; kNone when the message stands.
  ParseError ReadRequest(BlockEnd end, RequestHead& head);
  ParseError ReadResponse(const ResponseContext& context, BlockEnd end, ResponseHead& head);
  // Forbidden ones are left out.
  ParseError ReadTrailers(std::vector<Header>& trailers);

 private:
  struct Field {
    size_t name, name_size, value, value_size;
  };
  // One for each pseudo-header.
  struct Pseudo {
    absl::string_view method, scheme, authority, path, status;
  };

  ParseError CheckFields() const;
  ParseError Read(Pseudo& pseudo, std::vector<Header>& headers);
  void JoinCookies(std::vector<Header>& headers);
  absl::string_view Text(size_t begin, size_t size) const { return {text_.data() + begin, size}; }

  const Limits limits_;
  std::string text_;
  std::string cookie_;
  std::vector<Field> fields_;
  size_t bytes_ = 0;
  size_t count_ = 0;
};

}  // namespace kith::http
