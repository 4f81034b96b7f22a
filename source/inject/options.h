// What an injected sidecar looks like: the mesh's configuration, which a pod's annotations change
// for that pod (annotations.h).
// Threads: plain values. Owns: itself.
// Errors: From() says which field is wrong: INVALID_ARGUMENT "controlPlane: …".
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "kith/inject/v1/injection.pb.h"

namespace kith::inject {

// The ports of an injected sidecar; docs/kubernetes.md names them.
inline constexpr uint16_t kInboundPort = 15006;
inline constexpr uint16_t kOutboundPort = 15001;
inline constexpr uint16_t kMonitoringPort = 15020;

enum class Sidecar : uint8_t { kNative, kClassic };
enum class Capture : uint8_t { kInitContainer, kCni, kNone };
enum class Probes : uint8_t { kRewritten, kLeftAlone };

// As `kith-sidecar capture apply` takes them; empty leaves its default.
struct CaptureLists {
  std::string include_inbound_ports;
  std::string exclude_inbound_ports;
  std::string include_outbound_networks;
  std::string exclude_outbound_networks;
  std::string include_outbound_ports;
  std::string exclude_outbound_ports;
  std::string exclude_interfaces;
};

// Kubernetes' quantities; empty: none.
struct Resources {
  std::string cpu_request = "10m";
  std::string memory_request = "32Mi";
  std::string cpu_limit;
  std::string memory_limit = "256Mi";
};

struct Options {
  std::string image;
  std::string image_pull_policy;
  std::string control_plane = "kith-controlplane.kith-system.svc:15012";
  std::string server_name = "kith-controlplane";
  std::string trust_domain = "cluster.local";
  std::string roots_config_map = "kith-root-cert";
  std::string token_audience = "kith-ca";
  absl::Duration token_lifetime = absl::Hours(12);
  Sidecar sidecar = Sidecar::kNative;
  Capture capture = Capture::kInitContainer;
  CaptureLists lists;
  bool ipv6 = true;
  uint32_t proxy_uid = 1337;
  Resources resources;
  std::string log_level = "info";
  std::string access_log;
  Probes probes = Probes::kRewritten;
  std::vector<std::string> ignored_namespaces = {"kube-system", "kube-public", "kube-node-lease"};

  static absl::StatusOr<Options> From(const v1::InjectionConfig& config);
};

// Whether Kubernetes reads it as an amount: "250m", "64Mi", "0.5", "1e3".
bool IsQuantity(absl::string_view text);
// debug, info, warning or error.
bool IsLogLevel(absl::string_view text);

}  // namespace kith::inject
