// CHECK for broken invariants: says where and why on standard error, then aborts. Never for bytes
// of a peer, a file or a person: those become a Status.
// Threads: any.
#pragma once

namespace kith::base {

[[noreturn]] void CheckFailed(const char* file, int line, const char* condition,
                              const char* reason) noexcept;

}  // namespace kith::base

#define KITH_CHECK(condition, reason)                                    \
  do {                                                                   \
    if (!(condition)) [[unlikely]]                                       \
      ::kith::base::CheckFailed(__FILE__, __LINE__, #condition, reason); \
  } while (false)
