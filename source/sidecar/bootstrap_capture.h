// The part of the bootstrap file that is about captured connections.
// Threads: any. Owns: nothing. Errors: as bootstrap.h.
#pragma once

#include "absl/status/status.h"
#include "source/sidecar/bootstrap.h"

namespace kith::config::v1 {
class Capture;
}

namespace kith::sidecar {

// Asks the machine for its interfaces where the file names no addresses.
absl::Status ReadCapture(const config::v1::Capture& from, Bootstrap& to);

}  // namespace kith::sidecar
