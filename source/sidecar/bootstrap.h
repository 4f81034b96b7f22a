// The sidecar's bootstrap file, checked and with its defaults.
// Threads: plain values. Owns: itself.
// Errors: INVALID_ARGUMENT or the reading's own: one line that names the file, the field and what
// to write.
#pragma once

#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "source/base/log.h"
#include "source/base/socket_address.h"
#include "source/base/spiffe_id.h"
#include "source/identity/responder_networks.h"
#include "source/proxy/worker.h"
#include "source/sidecar/application_probe.h"
#include "source/sidecar/bootstrap_identity.h"
#include "source/tls/context.h"

namespace kith::config::v1 {
class SidecarConfig;
}

namespace kith::sidecar {

// OCSP responders of peers outside the mesh are asked.
struct ResponderConfig {
  tls::RevocationMode origination_mode = tls::RevocationMode::kSoft;  // Of TLS origination.
  identity::ResponderNetworks networks;
  absl::Duration timeout = absl::Seconds(2);
};

struct Bootstrap {
  // Whom this sidecar stands beside.
  std::string name;
  std::string name_space;
  std::string service_account;
  std::string trust_domain = "cluster.local";
  absl::btree_map<std::string, std::string> labels;

  std::string control_plane;  // "host:port".
  std::string server_name;
  std::string trust_bundle_file;
  std::string roots_pem;  // What is in it.
  std::string token_file;

  absl::Duration lifetime = absl::Hours(24);  // Asked for.
  IdentityConfig identity;
  absl::optional<WorkloadApiConfig> workload_api;  // To be served.
  std::vector<proxy::InboundOptions> inbound;
  std::vector<proxy::OutboundOptions> outbound;
  proxy::CaptureOptions capture;
  std::vector<std::string>
      captured_addresses;  // The workload's own; none unless inbound is captured.
  base::SocketAddress admin_socket;
  base::SocketAddress monitoring_address;
  std::string access_log;  // Empty: none.
  std::vector<std::string> access_log_headers;
  uint32_t recent_decisions = 0;  // Kept by each worker.
  base::LogLevel log_level = base::LogLevel::kInfo;
  uint32_t workers = 1;
  proxy::Links links = proxy::Links::kOffered;
  tls::TrustRules rules;  // Where no TrustPolicy says otherwise.
  bool break_glass_permitted = false;
  absl::Duration break_glass_longest = absl::Hours(1);
  std::vector<std::string> crl_files;  // Watched.
  absl::optional<ResponderConfig> responders;
  proxy::Timeouts timeouts;
  absl::Duration drain = absl::Seconds(15);
  proxy::Limits limits;
  uint64_t memory_limit = 0;  // Of the process, in bytes; zero: its control group's.
  proxy::RetryLimits retries;
  std::vector<ApplicationProbe> application_probes;

  absl::StatusOr<base::SpiffeId> Id() const;

  // Reads the files that it names, too.
  static absl::StatusOr<Bootstrap> Load(const std::string& file);
  // The same from text; errors call it `source`.
  static absl::StatusOr<Bootstrap> Parse(absl::string_view text, const std::string& source);
  // Everything but those files.
  static absl::StatusOr<Bootstrap> From(const config::v1::SidecarConfig& config);
};

}  // namespace kith::sidecar
