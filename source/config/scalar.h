// Scalars of YAML as values of protobuf fields, without YAML's guesses: a string must not look like
// a number or a boolean unless it is quoted, a number must not be quoted.
// Threads: any. Owns: nothing.
// Errors: INVALID_ARGUMENT that says what is wrong with the value; the caller adds where.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "source/config/yaml.h"

namespace kith::config {

// What the text of a plain scalar means to readers of YAML 1.1 and 1.2, Kubernetes' among them.
enum class Meaning : uint8_t { kText, kBoolean, kNumber };
Meaning MeaningOf(absl::string_view plain);

absl::StatusOr<std::string> ReadString(const Node& node);
absl::StatusOr<std::string> ReadBytes(const Node& node);  // Base64.
absl::StatusOr<bool> ReadBool(const Node& node);          // true or false, nothing else.
absl::StatusOr<double> ReadDouble(const Node& node);
absl::StatusOr<absl::Duration> ReadDuration(const Node& node);  // "90s", "1h30m"; not negative.

// Decimal, without leading zeros, within the bounds.
absl::StatusOr<int64_t> ReadInt(const Node& node, int64_t min, int64_t max);
absl::StatusOr<uint64_t> ReadUint(const Node& node, uint64_t max);

}  // namespace kith::config
