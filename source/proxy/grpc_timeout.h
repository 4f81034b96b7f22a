// gRPC's "grpc-timeout": how long a client waits for its call.
// Threads: any, pure. Owns: nothing. Errors: nullopt for what is none; it is then passed on unread.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"

namespace kith::proxy {

inline constexpr absl::string_view kGrpcTimeout = "grpc-timeout";

// At most eight digits, and one of the units H, M, S, m, u, n.
absl::optional<absl::Duration> ParseGrpcTimeout(absl::string_view text);

// Never more than `timeout`, and never zero, which some servers refuse.
std::string FormatGrpcTimeout(absl::Duration timeout);

}  // namespace kith::proxy
