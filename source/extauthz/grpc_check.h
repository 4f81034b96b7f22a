// envoy.service.auth.v3.Authorization/Check as bytes: the message that asks, the one that answers,
// and gRPC's frame around both. Wire compatible with api/envoy/service/auth/v3.
// Threads: any; pure. Owns: nothing.
// Errors: an answer that cannot be read is a Verdict of kFailed.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "source/extauthz/verdict.h"

namespace kith::extauthz {

inline constexpr absl::string_view kCheckPath = "/envoy.service.auth.v3.Authorization/Check";

// A CheckRequest in its frame. `body_field` is where a body goes that is shown.
enum class BodyField : uint8_t { kText, kBytes };
std::string EncodeCheck(const Question& question, BodyField body_field = BodyField::kText);

// What stands in the frame; compressed ones were not asked for.
absl::StatusOr<absl::string_view> Unframe(absl::string_view body);

// A CheckResponse, unframed.
Verdict DecodeCheck(absl::string_view message);

}  // namespace kith::extauthz
