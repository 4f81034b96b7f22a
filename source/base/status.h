// Helpers around absl::Status.
// Threads: any. Owns: nothing. Errors: these carry them.
#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace kith::base {

// The same code with "context: " before the message. OK stays OK.
inline absl::Status Annotate(const absl::Status& status, absl::string_view context) {
  if (status.ok()) return status;
  return absl::Status(status.code(), absl::StrCat(context, ": ", status.message()));
}

}  // namespace kith::base

#define KITH_RETURN_IF_ERROR(expression)                                                   \
  do {                                                                                     \
    if (absl::Status kith_status_ = (expression); !kith_status_.ok()) return kith_status_; \
  } while (false)

#define KITH_STATUS_CONCAT_INNER(a, b) a##b
#define KITH_STATUS_CONCAT(a, b) KITH_STATUS_CONCAT_INNER(a, b)

// KITH_ASSIGN_OR_RETURN(auto value, Compute());
#define KITH_ASSIGN_OR_RETURN(declaration, expression) \
  KITH_ASSIGN_OR_RETURN_INNER(KITH_STATUS_CONCAT(kith_or_, __LINE__), declaration, expression)
#define KITH_ASSIGN_OR_RETURN_INNER(result, declaration, expression) \
  auto result = (expression);                                        \
  if (!result.ok()) return std::move(result).status();               \
  declaration = *std::move(result)
