// One probe of the application as the bootstrap describes it.
// Threads: plain values. Owns: itself.
// Errors: INVALID_ARGUMENT "applicationProbes[0].path: …".
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace kith::config::v1 {
class SidecarConfig;
}

namespace kith::sidecar {

struct ApplicationProbe {
  enum class Check : uint8_t { kHttp, kHttps, kTcp, kGrpc };
  std::string path;  // At the monitoring port.
  absl::Duration timeout = absl::Seconds(1);
  Check check = Check::kTcp;
  uint16_t port = 0;
  std::string target = "/";                                  // Of kHttp and kHttps.
  std::vector<std::pair<std::string, std::string>> headers;  // Likewise.
  std::string service;                                       // Of kGrpc.
};

absl::StatusOr<std::vector<ApplicationProbe>> ReadApplicationProbes(
    const config::v1::SidecarConfig& config);

}  // namespace kith::sidecar
