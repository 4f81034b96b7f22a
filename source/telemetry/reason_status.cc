#include "source/telemetry/reason_status.h"

#include "absl/strings/cord.h"
#include "absl/types/optional.h"

namespace kith::telemetry {
namespace {

constexpr char kPayload[] = "kith/reason";

}  // namespace

absl::Status WithReason(absl::Status status, Reason reason) {
  const char byte = static_cast<char>(reason);
  status.SetPayload(kPayload, absl::Cord(absl::string_view(&byte, 1)));
  return status;
}

Reason ReasonOf(const absl::Status& status, Reason otherwise) {
  const absl::optional<absl::Cord> payload = status.GetPayload(kPayload);
  if (!payload.has_value() || payload->size() != 1) return otherwise;
  return static_cast<Reason>(static_cast<uint8_t>((*payload)[0]));
}

}  // namespace kith::telemetry
