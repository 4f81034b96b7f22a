#include "source/event/uv_error.h"

#include <uv.h>

#include "absl/strings/str_cat.h"

namespace kith::event {
namespace {

absl::StatusCode CodeOf(int error) {
  switch (error) {
    case UV_EACCES:
    case UV_EPERM:
      return absl::StatusCode::kPermissionDenied;
    case UV_EADDRINUSE:
    case UV_EADDRNOTAVAIL:
    case UV_EEXIST:
    case UV_ENOTDIR:
    case UV_ENOTSOCK:
      return absl::StatusCode::kFailedPrecondition;
    case UV_ENOENT:
      return absl::StatusCode::kNotFound;
    case UV_EMFILE:
    case UV_ENFILE:
    case UV_ENOMEM:
    case UV_ENOSPC:
    case UV_ENOBUFS:
      return absl::StatusCode::kResourceExhausted;
    case UV_EINVAL:
    case UV_EAFNOSUPPORT:
      return absl::StatusCode::kInvalidArgument;
    case UV_ETIMEDOUT:
      return absl::StatusCode::kDeadlineExceeded;
    default:
      return absl::StatusCode::kUnavailable;
  }
}

}  // namespace

std::string UvReason(int error) {
  char reason[128];
  uv_strerror_r(error, reason, sizeof reason);
  return reason;
}

absl::Status UvError(int error, absl::string_view attempted, absl::string_view hint) {
  return absl::Status(CodeOf(error), absl::StrCat(attempted, ": ", UvReason(error),
                                                  hint.empty() ? "" : "; ", hint));
}

}  // namespace kith::event
