// Whether a message says only what this version understands: a field or an enum value of a newer
// control plane must not be lost silently, because it may be the one that forbids something.
// Threads: any, pure. Owns: nothing.
// Errors: INVALID_ARGUMENT that names the field's path.
#pragma once

#include "absl/status/status.h"

namespace google::protobuf {
class Message;
}

namespace kith::control {

absl::Status CheckKnown(const google::protobuf::Message& message);

}  // namespace kith::control
