// An error of libuv or of the system as a Status that says what was attempted.
// Threads: any. Owns: nothing. Errors: this makes them.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace kith::event {

// "<attempted>: address already in use; <hint>", its code chosen by what a caller can do about it.
// `error` is negative, as libuv returns it; -errno is the same number.
absl::Status UvError(int error, absl::string_view attempted, absl::string_view hint = "");

// The reason alone: "address already in use".
std::string UvReason(int error);

}  // namespace kith::event
