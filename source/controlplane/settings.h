// The control plane's bootstrap file, checked and with its defaults.
// Threads: plain values. Owns: itself.
// Errors: INVALID_ARGUMENT or the reading's own: one line that names the file, the field and what
// to write.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "kith/config/v1/controlplane.pb.h"
#include "source/base/log.h"
#include "source/base/socket_address.h"
#include "source/controlplane/distribution/mesh_builder.h"
#include "source/controlplane/federation_settings.h"
#include "source/controlplane/issuer_keys.h"
#include "source/controlplane/keys/key_fetch.h"
#include "source/controlplane/keys/key_keeper.h"
#include "source/inject/options.h"
#include "source/kubernetes/api_client.h"
#include "source/policy/policy_set.h"

namespace kith::controlplane {

struct Settings {
  kith::config::v1::ControlPlaneConfig config;  // With the defaults filled in.
  MeshOptions mesh;
  policy::PolicySet::Options policy;
  FederationSettings federation;
  std::vector<IssuerSettings> issuers;
  KeyFetch key_fetch;
  KeyKeeper::Options keys;  // Without what it fetches with.
  base::SocketAddress address;
  base::SocketAddress monitoring_address;
  base::SocketAddress admin_socket;
  std::vector<std::string> server_names;
  base::LogLevel log_level = base::LogLevel::kInfo;
  struct Webhook {
    base::SocketAddress address;
    inject::Options injection;
  };
  absl::optional<Webhook> webhook;
  absl::optional<kubernetes::ApiClient::Options> kubernetes;

  static absl::StatusOr<Settings> Load(const std::string& file);
};

}  // namespace kith::controlplane
