// One GET over TLS or in plaintext, on a connection of its own, waiting for the answer.
// Threads: any; it blocks the caller, at most for its timeout beside the name's resolution.
// Owns: itself. Errors: UNAVAILABLE, DEADLINE_EXCEEDED, PERMISSION_DENIED for an address that is
// not asked, RESOURCE_EXHAUSTED, and INVALID_ARGUMENT for an answer that is not 200.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "source/https/dial.h"

typedef struct crypto_buffer_st CRYPTO_BUFFER;

namespace kith::controlplane {

struct HttpsGet {
  enum class Security : uint8_t { kTls, kPlaintext };
  using Reach = https::Reach;

  std::string host;
  uint16_t port = 443;
  std::string target = "/";
  Security security = Security::kTls;
  Reach reach = Reach::kPublic;
  std::string ca_file;  // Empty: the system's roots.
  // Looks at the server's chain, leaf first, in place of roots and host name.
  std::function<absl::Status(absl::Span<CRYPTO_BUFFER* const>)> verify = {};
  absl::Duration timeout = absl::Seconds(5);
  size_t max_bytes = size_t{256} * 1024;

  absl::StatusOr<std::string> Run() const;
};

}  // namespace kith::controlplane
