// Connects to a host by name, waiting.
// Threads: any; it blocks the caller until the deadline at most, beside the name's resolution.
// Owns: nothing; the descriptor is the caller's.
// Errors: UNAVAILABLE, DEADLINE_EXCEEDED, and PERMISSION_DENIED for an address that is not asked.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace kith::https {

// kPublic leaves out loopback, link-local (where clouds keep their metadata) and multicast.
enum class Reach : uint8_t { kPublic, kAnywhere };

// A non-blocking socket to the first address that may be asked. The address that was checked is the
// one that is connected to, so a name cannot mean another one a moment later.
absl::StatusOr<int> Dial(const std::string& host, uint16_t port, Reach reach, absl::Time deadline);

}  // namespace kith::https
