// A look at the first bytes of a connection, before any of them is consumed: is this TLS, and what
// does the client offer?
// Threads: any; pure. Owns: nothing. Errors: none; malformed bytes are kNotTls or kMalformed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"

namespace kith::tls {

// Enough for any sane ClientHello; more without an end is kMalformed.
inline constexpr size_t kMaxClientHello = size_t{16} * 1024;

struct ClientHello {
  enum class Kind : uint8_t {
    kNeedMore,   // A prefix of what may be a ClientHello.
    kNotTls,     // The first bytes are not a TLS handshake record.
    kMalformed,  // It began like one and is not.
    kHello,
  };
  Kind kind = Kind::kNeedMore;
  std::string sni;
  std::vector<std::string> alpn;
};

// `bytes` is all that was received so far. A hello split over several records is put together.
ClientHello PeekClientHello(absl::Span<const uint8_t> bytes);

}  // namespace kith::tls
