// Writes HTTP/1.1 heads and chunks, to a connection's output or to a string.
// Threads: one at a time. Owns: nothing.
// Errors: a function that returns false has written nothing, because a part holds a byte that would
// end its line or field early (CR, LF, NUL and the like). The parser lets none through; this is the
// second lock on the same door.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "source/base/byte_chain.h"
#include "source/http/message.h"

namespace kith::http {

// Out is base::ByteChain or std::string.
template <typename Out>
[[nodiscard]] bool WriteRequestLine(absl::string_view method, absl::string_view target, Out& out);

// The reason may be empty; see ReasonPhrase().
template <typename Out>
[[nodiscard]] bool WriteStatusLine(int status, absl::string_view reason, Out& out);

template <typename Out>
[[nodiscard]] bool WriteHeader(absl::string_view name, absl::string_view value, Out& out);

// The empty line after the last header.
template <typename Out>
void EndHead(Out& out);

// One chunk; an empty span writes nothing, for it would end the body.
template <typename Out>
void WriteChunk(absl::Span<const uint8_t> bytes, Out& out);

// The end of a chunked body. A trailer that is not sound is left out.
template <typename Out>
void WriteLastChunk(absl::Span<const Header> trailers, Out& out);

// "Not Found" for 404; empty for a status without a registered phrase.
absl::string_view ReasonPhrase(int status);

}  // namespace kith::http
