#include "source/sidecar/bootstrap_identity.h"

#include <cstdlib>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "kith/config/v1/sidecar.pb.h"
#include "source/base/socket_address.h"
#include "source/base/spiffe_id.h"
#include "source/base/status.h"
#include "source/config/document.h"
#include "source/control/workload_api_source.h"
#include "source/sidecar/bootstrap_values.h"

namespace kith::sidecar {
namespace {

constexpr char kEndpointVariable[] = "SPIFFE_ENDPOINT_SOCKET";
constexpr int kMaxUids = 256;
constexpr int kMaxFederated = 256;

absl::StatusOr<IstioCaConfig> ReadIstioCa(const config::v1::IstioCa& from) {
  const std::string prefix = "identity.source.istioCa.";
  IstioCaConfig to;
  KITH_ASSIGN_OR_RETURN(const std::string host, HostOf(prefix + "address", from.address()));
  to.address = from.address();
  to.server_name = from.server_name().empty() ? host : from.server_name();
  KITH_ASSIGN_OR_RETURN(to.trust_bundle_file,
                        Required(prefix + "trustBundleFile", from.trust_bundle_file(),
                                 "the PEM file of the authority's roots"));
  KITH_ASSIGN_OR_RETURN(to.token_file, Required(prefix + "tokenFile", from.token_file(),
                                                "the file of the service account's token"));
  if (!from.cluster_id().empty()) to.cluster_id = from.cluster_id();
  for (const char c : to.cluster_id) {
    // It becomes a header of each request.
    if (c < 0x21 || c > 0x7e) return Invalid(prefix + "clusterId", "is not plain ASCII");
  }
  to.roots_file = from.roots_file();
  return to;
}

absl::StatusOr<FilesConfig> ReadFiles(const config::v1::IdentityFiles& from) {
  const std::string prefix = "identity.source.files.";
  if (from.certificate_file().empty() == from.pkcs12_file().empty()) {
    return Invalid(prefix + "certificateFile",
                   "write either certificateFile (and keyFile), or pkcs12File");
  }
  if (!from.pkcs12_file().empty() && !from.key_file().empty()) {
    return Invalid(prefix + "keyFile", "a PKCS#12 container holds its key; leave it out");
  }
  if (from.pkcs12_file().empty() && !from.password_file().empty()) {
    return Invalid(prefix + "passwordFile", "only a PKCS#12 container has a password");
  }
  return FilesConfig{from.certificate_file(), from.key_file(), from.pkcs12_file(),
                     from.password_file(), from.bundle_file()};
}

absl::StatusOr<WorkloadApiClientConfig> ReadWorkloadApiClient(
    const config::v1::WorkloadApiClient& from) {
  const char* const variable = std::getenv(kEndpointVariable);
  WorkloadApiClientConfig to{from.endpoint(), from.hint()};
  if (to.endpoint.empty() && variable != nullptr) to.endpoint = variable;
  const auto target = control::WorkloadApiTarget(to.endpoint);
  if (!target.ok()) {
    return Invalid("identity.source.workloadApi.endpoint",
                   absl::StrCat(target.status().message(),
                                "; write it here or in the environment, ", kEndpointVariable));
  }
  return to;
}

}  // namespace

absl::StatusOr<IdentityConfig> ReadIdentity(const config::v1::IdentityOptions& from) {
  IdentityConfig to;
  switch (from.source().kind_case()) {
    case config::v1::IdentitySource::kIstioCa: {
      KITH_ASSIGN_OR_RETURN(to.source, ReadIstioCa(from.source().istio_ca()));
      break;
    }
    case config::v1::IdentitySource::kFiles: {
      KITH_ASSIGN_OR_RETURN(to.source, ReadFiles(from.source().files()));
      break;
    }
    case config::v1::IdentitySource::kWorkloadApi: {
      KITH_ASSIGN_OR_RETURN(to.source, ReadWorkloadApiClient(from.source().workload_api()));
      break;
    }
    case config::v1::IdentitySource::kKithCa:
    case config::v1::IdentitySource::KIND_NOT_SET:
      break;
  }
  if (from.trust_bundles() == config::v1::SOURCE_FIRST) {
    to.precedence = identity::BundlePrecedence::kSourceFirst;
  }
  if (from.federated_bundles_size() > kMaxFederated) {
    return Invalid("identity.federatedBundles", "has more than 256 entries");
  }
  absl::flat_hash_set<std::string> seen;
  for (int i = 0; i < from.federated_bundles_size(); ++i) {
    const config::v1::TrustBundleFile& bundle = from.federated_bundles(i);
    const std::string prefix = absl::StrCat("identity.federatedBundles[", i, "].");
    if (!base::IsTrustDomain(bundle.trust_domain()) || !seen.insert(bundle.trust_domain()).second) {
      return Invalid(prefix + "trustDomain",
                     absl::StrCat("\"", bundle.trust_domain().substr(0, 64),
                                  "\" is no trust domain, or is there twice"));
    }
    KITH_ASSIGN_OR_RETURN(std::string file, Required(prefix + "file", bundle.file(),
                                                     "the PEM file of that trust domain's roots"));
    to.federated_files.push_back({bundle.trust_domain(), std::move(file)});
  }
  if (from.has_cache()) {
    KITH_ASSIGN_OR_RETURN(
        to.cache_directory,
        Required("identity.cache.directory", from.cache().directory(), "a directory on a tmpfs"));
  }
  return to;
}

absl::StatusOr<WorkloadApiConfig> ReadWorkloadApi(const config::v1::WorkloadApi& from) {
  WorkloadApiConfig to;
  KITH_ASSIGN_OR_RETURN(to.socket, Required("workloadApi.socket", from.socket(),
                                            "the path of a UNIX socket to make"));
  const auto address = base::SocketAddress::Parse(absl::StrCat("unix:", to.socket));
  if (!address.ok()) return Invalid("workloadApi.socket", address.status().message());
  if (!from.mode().empty()) {
    char* end = nullptr;
    const long mode = std::strtol(from.mode().c_str(), &end, 8);  // NOLINT(google-runtime-int)
    if (*end != '\0' || mode < 0 || mode > 0777) {
      return Invalid("workloadApi.mode", "is not octal such as \"0660\"");
    }
    to.mode = static_cast<int>(mode);
  }
  if (from.uids_size() > kMaxUids) return Invalid("workloadApi.uids", "has more than 256 entries");
  to.uids.assign(from.uids().begin(), from.uids().end());
  return to;
}

absl::Status LoadIdentityFiles(IdentityConfig& identity) {
  for (const FederatedBundleConfig& bundle : identity.federated_files) {
    auto roots = config::ReadFile(bundle.file);
    if (!roots.ok()) return base::Annotate(roots.status(), "identity.federatedBundles");
    identity.federated.push_back({bundle.trust_domain, *std::move(roots)});
  }
  const auto federated = tls::TrustBundle::Create(identity.federated);
  if (!federated.ok()) return base::Annotate(federated.status(), "identity.federatedBundles");
  if (auto* istio = absl::get_if<IstioCaConfig>(&identity.source); istio != nullptr) {
    auto roots = config::ReadFile(istio->trust_bundle_file);
    if (!roots.ok()) {
      return base::Annotate(roots.status(), "identity.source.istioCa.trustBundleFile");
    }
    istio->roots_pem = *std::move(roots);
  }
  return absl::OkStatus();
}

absl::string_view SourceName(const IdentityConfig& identity) {
  switch (identity.source.index()) {
    case 1:
      return "istio-ca";
    case 2:
      return "files";
    case 3:
      return "workload-api";
    default:
      return "kith-ca";
  }
}

}  // namespace kith::sidecar
