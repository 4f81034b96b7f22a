// How a PostgreSQL connection begins, as far as TLS is concerned.
// Threads: any; pure. Owns: nothing. Errors: none: what is not recognized is for the server to
// judge.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace kith::proxy {

// SSLRequest: what a client sends to ask for TLS. The server answers with one byte.
inline constexpr absl::string_view kPostgresqlTlsRequest("\x00\x00\x00\x08\x04\xd2\x16\x2f", 8);
inline constexpr uint8_t kPostgresqlTlsAccepted = 'S';
inline constexpr absl::string_view kPostgresqlTlsDeclined = "N";

enum class PostgresqlStart : uint8_t {
  kMore,        // Not yet to be told.
  kEncryption,  // SSLRequest or GSSENCRequest: the client asks whether it may encrypt.
  kOther,       // StartupMessage, CancelRequest, or no PostgreSQL at all.
};

// What the client's next message is; one that asks for encryption is kPostgresqlTlsRequest.size()
// bytes long.
PostgresqlStart RecognizePostgresqlStart(absl::Span<const uint8_t> bytes);

}  // namespace kith::proxy
