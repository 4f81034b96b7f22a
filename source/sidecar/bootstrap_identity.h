// The parts of the bootstrap file that say where the identity comes from, whom else to trust, and
// to whom the identity is served.
// Threads: plain values. Owns: themselves.
// Errors: INVALID_ARGUMENT that names the field and what to write.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/variant.h"
#include "source/identity/bundle_set.h"
#include "source/tls/credentials.h"

namespace kith::config::v1 {
class IdentityOptions;
class WorkloadApi;
}  // namespace kith::config::v1

namespace kith::sidecar {

struct KithCaConfig {};

struct IstioCaConfig {
  std::string address;  // "host:port".
  std::string server_name;
  std::string trust_bundle_file;
  std::string roots_pem;  // What is in it.
  std::string token_file;
  std::string cluster_id = "Kubernetes";
  std::string roots_file;  // Empty: the roots that come with each certificate.
};

struct FilesConfig {
  std::string certificate_file;
  std::string key_file;
  std::string pkcs12_file;
  std::string password_file;
  std::string bundle_file;
};

struct WorkloadApiClientConfig {
  std::string endpoint;
  std::string hint;
};

struct FederatedBundleConfig {
  std::string trust_domain;
  std::string file;
};

struct IdentityConfig {
  absl::variant<KithCaConfig, IstioCaConfig, FilesConfig, WorkloadApiClientConfig> source;
  identity::BundlePrecedence precedence = identity::BundlePrecedence::kControlPlaneFirst;
  std::vector<FederatedBundleConfig> federated_files;
  std::vector<tls::TrustBundle::Domain> federated;  // What is in them.
  std::string cache_directory;                      // Empty: none.
};

struct WorkloadApiConfig {
  std::string socket;
  int mode = 0600;
  std::vector<uint32_t> uids;
};

absl::StatusOr<IdentityConfig> ReadIdentity(const config::v1::IdentityOptions& from);
absl::StatusOr<WorkloadApiConfig> ReadWorkloadApi(const config::v1::WorkloadApi& from);

// Reads the files of roots that it names, and says early what is wrong with them.
absl::Status LoadIdentityFiles(IdentityConfig& identity);

// "kith-ca", "istio-ca", "files", "workload-api".
absl::string_view SourceName(const IdentityConfig& identity);

}  // namespace kith::sidecar
