#include "source/controlplane/registry/file_contents.h"

#include <type_traits>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "source/base/status.h"
#include "source/config/document.h"
#include "source/controlplane/registry/service_rules.h"
#include "source/controlplane/registry/traffic_rules.h"
#include "source/extauthz/provider.h"
#include "source/jwt/authentication.h"
#include "source/policy/peer_authentication.h"
#include "source/policy/trust_policy.h"
#include "source/ratelimit/rate_limits.h"

namespace kith::controlplane {
namespace {

bool IsOneOf(absl::string_view text, std::initializer_list<absl::string_view> choices) {
  for (const absl::string_view choice : choices) {
    if (text == choice) return true;
  }
  return false;
}

// The group and version fit the kind, and this version of Kith enforces it.
absl::Status CheckKind(const config::Document& document) {
  const absl::string_view version = document.api_version;
  const absl::string_view kind = document.kind;
  if (kind.empty()) return absl::InvalidArgumentError("kind: is required");
  const bool security = IsOneOf(version, {"security.istio.io/v1", "security.istio.io/v1beta1"});
  if (security &&
      IsOneOf(kind, {"AuthorizationPolicy", "PeerAuthentication", "RequestAuthentication"})) {
    return absl::OkStatus();
  }
  const bool networking = IsOneOf(version, {"networking.istio.io/v1", "networking.istio.io/v1beta1",
                                            "networking.istio.io/v1alpha3"});
  if (networking && IsOneOf(kind, {"DestinationRule", "ServiceEntry", "WorkloadEntry"}))
    return absl::OkStatus();
  if (version == "v1" && kind == "Service") return absl::OkStatus();
  if (version == "mesh.kith.dev/v1alpha1" &&
      IsOneOf(kind, {"MeshConfig", "RateLimitPolicy", "TrustPolicy"})) {
    return absl::OkStatus();
  }
  if (IsOneOf(kind, {"AuthorizationPolicy", "PeerAuthentication", "RequestAuthentication",
                     "DestinationRule", "ServiceEntry", "WorkloadEntry", "Service", "MeshConfig",
                     "RateLimitPolicy", "TrustPolicy"})) {
    return absl::InvalidArgumentError(absl::StrCat(
        "apiVersion: \"", version, "\" does not go with kind ", kind,
        "; security.istio.io/v1, networking.istio.io/v1, mesh.kith.dev/v1alpha1 and v1 "
        "(Service) are understood"));
  }
  return absl::UnimplementedError(absl::StrCat(
      "kind: ", kind,
      " is not supported yet; AuthorizationPolicy, PeerAuthentication, RequestAuthentication, "
      "RateLimitPolicy, TrustPolicy, MeshConfig, DestinationRule, ServiceEntry, WorkloadEntry and "
      "Service are. Remove the document: it would have no effect"));
}

class Decoder {
 public:
  Decoder(FileContents& contents, const policy::PolicySet::Options& policy, Origin origin)
      : contents_(contents), policy_(policy), origin_(origin) {}

  absl::Status Add(const config::Document& document) {
    KITH_RETURN_IF_ERROR(At(document, CheckKind(document)));
    if (document.kind == "AuthorizationPolicy") {
      return AddAs<security::v1::AuthorizationPolicy>(document);
    }
    if (document.kind == "PeerAuthentication") {
      return AddAs<security::v1::PeerAuthentication>(document);
    }
    if (document.kind == "TrustPolicy") return AddAs<trust::v1::TrustPolicy>(document);
    if (document.kind == "RequestAuthentication") {
      return AddAs<security::v1::RequestAuthentication>(document);
    }
    if (document.kind == "RateLimitPolicy") return AddAs<ratelimit::v1::RateLimitPolicy>(document);
    if (document.kind == "MeshConfig") return AddAs<meshconfig::v1::MeshConfig>(document);
    if (document.kind == "ServiceEntry") return AddAs<networking::v1::ServiceEntry>(document);
    if (document.kind == "WorkloadEntry") return AddAs<networking::v1::WorkloadEntry>(document);
    if (document.kind == "DestinationRule") return AddAs<networking::v1::DestinationRule>(document);
    return AddAs<networking::v1::Service>(document);
  }

 private:
  static absl::Status At(const config::Document& document, const absl::Status& status) {
    return base::Annotate(status, absl::StrCat(document.file, ":", document.line));
  }

  template <typename Message>
  absl::Status AddAs(const config::Document& document) {
    Message message;
    KITH_RETURN_IF_ERROR(config::Decode(document, message));
    KITH_RETURN_IF_ERROR(At(document, CheckMetadata(*message.mutable_metadata())));
    const std::string label = absl::StrCat(document.kind, " ", message.metadata().namespace_(), "/",
                                           message.metadata().name());
    line_ = document.line;
    KITH_RETURN_IF_ERROR(At(document, Claim(label)));
    // The policies' own errors name the policy already.
    constexpr bool kNamesItself = std::is_same_v<Message, security::v1::AuthorizationPolicy> ||
                                  std::is_same_v<Message, security::v1::PeerAuthentication> ||
                                  std::is_same_v<Message, trust::v1::TrustPolicy> ||
                                  std::is_same_v<Message, security::v1::RequestAuthentication> ||
                                  std::is_same_v<Message, ratelimit::v1::RateLimitPolicy>;
    KITH_RETURN_IF_ERROR(At(
        document, base::Annotate(Take(std::move(message)), kNamesItself ? document.kind : label)));
    ++contents_.kinds[document.kind];
    return absl::OkStatus();
  }

  absl::Status Claim(std::string what) {
    if (!claimed_.insert(what).second) {
      return absl::AlreadyExistsError(absl::StrCat(what, " is defined twice in this file"));
    }
    contents_.claims.push_back({std::move(what), line_});
    return absl::OkStatus();
  }

  absl::Status Take(security::v1::AuthorizationPolicy policy) {
    KITH_RETURN_IF_ERROR(policy::PolicySet::Compile({&policy, 1}, policy_).status());
    contents_.authorization_policies.push_back(std::move(policy));
    return absl::OkStatus();
  }

  absl::Status Take(security::v1::PeerAuthentication authentication) {
    KITH_RETURN_IF_ERROR(policy::Validate(authentication));
    if (authentication.spec().selector().match_labels().empty()) {
      // Two of one level contradict each other, unless their age decides.
      const std::string& created = authentication.metadata().creation_timestamp();
      KITH_RETURN_IF_ERROR(Claim(absl::StrCat("the PeerAuthentication of namespace ",
                                              authentication.metadata().namespace_(),
                                              created.empty() ? "" : " created at ", created)));
    }
    contents_.peer_authentications.push_back(std::move(authentication));
    return absl::OkStatus();
  }

  absl::Status Take(trust::v1::TrustPolicy policy) {
    KITH_RETURN_IF_ERROR(policy::Validate(policy));
    contents_.trust_policies.push_back(std::move(policy));
    return absl::OkStatus();
  }

  absl::Status Take(security::v1::RequestAuthentication authentication) {
    KITH_RETURN_IF_ERROR(jwt::Validate(authentication));
    contents_.rulebook.request_authentications.push_back(std::move(authentication));
    return absl::OkStatus();
  }

  absl::Status Take(ratelimit::v1::RateLimitPolicy limit) {
    KITH_RETURN_IF_ERROR(ratelimit::Validate(limit));
    contents_.rulebook.rate_limit_policies.push_back(std::move(limit));
    return absl::OkStatus();
  }

  absl::Status Take(const meshconfig::v1::MeshConfig& mesh) {
    KITH_RETURN_IF_ERROR(Claim("the mesh's MeshConfig"));
    for (int i = 0; i < mesh.spec().extension_providers_size(); ++i) {
      const meshconfig::v1::ExtensionProvider& provider = mesh.spec().extension_providers(i);
      KITH_RETURN_IF_ERROR(base::Annotate(extauthz::Provider::From(provider).status(),
                                          absl::StrCat("spec.extensionProviders[", i, "]")));
      KITH_RETURN_IF_ERROR(Claim(absl::StrCat("extension provider ", provider.name())));
      contents_.rulebook.extension_providers.push_back(provider);
    }
    return absl::OkStatus();
  }

  absl::Status Take(const networking::v1::Service& service) {
    KITH_ASSIGN_OR_RETURN(ServiceDefinition definition, FromService(service, origin_));
    return Take(std::move(definition));
  }

  absl::Status Take(const networking::v1::ServiceEntry& entry) {
    KITH_ASSIGN_OR_RETURN(std::vector<ServiceDefinition> definitions, FromServiceEntry(entry));
    for (ServiceDefinition& definition : definitions) {
      KITH_RETURN_IF_ERROR(Take(std::move(definition)));
    }
    return absl::OkStatus();
  }

  absl::Status Take(ServiceDefinition definition) {
    KITH_RETURN_IF_ERROR(Claim(absl::StrCat("host ", definition.host)));
    contents_.services.push_back(std::move(definition));
    return absl::OkStatus();
  }

  absl::Status Take(const networking::v1::DestinationRule& rule) {
    KITH_ASSIGN_OR_RETURN(TrafficRule taken, FromDestinationRule(rule));
    KITH_RETURN_IF_ERROR(Claim(absl::StrCat("the DestinationRule of host ", taken.host)));
    contents_.traffic_rules.push_back(std::move(taken));
    return absl::OkStatus();
  }

  absl::Status Take(const networking::v1::WorkloadEntry& entry) {
    KITH_ASSIGN_OR_RETURN(StaticWorkload workload, FromWorkloadEntry(entry));
    contents_.workload_entries.push_back(std::move(workload));
    return absl::OkStatus();
  }

  FileContents& contents_;
  const policy::PolicySet::Options& policy_;
  const Origin origin_;
  absl::flat_hash_set<std::string> claimed_;
  int line_ = 0;
};

}  // namespace

absl::StatusOr<std::shared_ptr<const FileContents>> DecodeFile(
    absl::string_view text, const std::string& file, const policy::PolicySet::Options& policy) {
  // What a writer has opened and not yet filled looks like this; acting on it would drop policies.
  if (text.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, ": empty; delete the file to remove its documents"));
  }
  KITH_ASSIGN_OR_RETURN(const std::vector<config::Document> documents,
                        config::ParseDocuments(text, file));
  auto contents = std::make_shared<FileContents>();
  // As kubernetes/documents.h names what comes from a cluster.
  const Origin origin = absl::StartsWith(file, "kubernetes/") ? Origin::kCluster : Origin::kFile;
  Decoder decoder(*contents, policy, origin);
  for (const config::Document& document : documents) KITH_RETURN_IF_ERROR(decoder.Add(document));
  return std::shared_ptr<const FileContents>(std::move(contents));
}

}  // namespace kith::controlplane
