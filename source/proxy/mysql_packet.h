// The packets with which a MySQL or MariaDB connection begins, as far as TLS is concerned: the
// server's greeting, the client's answer, and how authentication ends.
// Threads: any; pure. Owns: nothing.
// Errors: INVALID_ARGUMENT for what is no such packet; FAILED_PRECONDITION when one side does not
// do what is needed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"

namespace kith::proxy {

// Longer ones do not come before a connection is authenticated.
inline constexpr size_t kMaxMysqlPacket = size_t{64} * 1024;

struct MysqlPacket {
  uint8_t sequence = 0;
  absl::Span<const uint8_t> payload;  // Never empty; points into what was read.
  size_t size = 0;                    // With its header.
};

// The first packet of `bytes`; none while it is not whole.
absl::StatusOr<absl::optional<MysqlPacket>> ReadMysqlPacket(absl::Span<const uint8_t> bytes);
std::string WriteMysqlPacket(uint8_t sequence, absl::Span<const uint8_t> payload);

// The server has refused the connection (ERR), or authentication is over (OK, ERR).
bool IsMysqlError(absl::Span<const uint8_t> payload);
bool EndsMysqlAuthentication(absl::Span<const uint8_t> payload);

// The server's greeting (protocol 10), without its offer of TLS: what the application gets.
// FAILED_PRECONDITION when it makes none.
absl::StatusOr<std::vector<uint8_t>> WithoutMysqlTls(absl::Span<const uint8_t> greeting);

// The application's answer (protocol 4.1) as it goes on over TLS: it says that TLS was asked for.
// FAILED_PRECONDITION when the application asks for TLS by itself.
absl::StatusOr<std::vector<uint8_t>> WithMysqlTls(absl::Span<const uint8_t> answer);
// What asks for TLS before it: the beginning of that answer.
absl::Span<const uint8_t> MysqlTlsRequest(absl::Span<const uint8_t> answer_with_tls);

}  // namespace kith::proxy
