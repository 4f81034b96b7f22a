#include "source/controlplane/kubernetes/documents.h"

#include "absl/strings/str_cat.h"
#include "source/kubernetes/json_read.h"

namespace kith::controlplane {
namespace {

using kubernetes::Find;
using kubernetes::ParseJson;
using kubernetes::Text;
using nlohmann::json;

// What the registry's documents have of metadata.
json Metadata(const json& object) {
  json kept = json::object();
  const json* metadata = Find(&object, "metadata");
  if (metadata == nullptr) return kept;
  for (const char* key : {"name", "namespace", "labels", "annotations", "creationTimestamp"}) {
    if (const json* value = Find(metadata, key); value != nullptr) kept[key] = *value;
  }
  // kubectl keeps the whole object in it a second time.
  if (kept.contains("annotations") && kept["annotations"].is_object()) {
    kept["annotations"].erase("kubectl.kubernetes.io/last-applied-configuration");
  }
  return kept;
}

bool IsReady(const json& status) {
  const json* conditions = Find(&status, "conditions");
  if (conditions == nullptr || !conditions->is_array()) return false;
  for (const json& condition : *conditions) {
    if (Text(&condition, "type") == "Ready") return Text(&condition, "status") == "True";
  }
  return false;
}

bool HasSidecar(const json& metadata) {
  const json* annotations = Find(&metadata, "annotations");
  return annotations != nullptr && annotations->contains("sidecar.kith.dev/status");
}

absl::optional<json> WorkloadEntry(const json& pod) {
  const json* status = Find(&pod, "status");
  const json* metadata = Find(&pod, "metadata");
  if (status == nullptr || metadata == nullptr || Find(metadata, "deletionTimestamp") != nullptr) {
    return absl::nullopt;
  }
  const std::string ip = Text(status, "podIP");
  const bool takes_mutual = Text(Find(metadata, "labels"), "security.istio.io/tlsMode") == "istio";
  // One with a sidecar that takes no mutual TLS captures nothing: only its own word says where it
  // is reached.
  if (ip.empty() || Text(status, "phase") != "Running" || !IsReady(*status) ||
      (HasSidecar(*metadata) && !takes_mutual)) {
    return absl::nullopt;
  }
  json entry = {
      {"apiVersion", "networking.istio.io/v1"},
      {"kind", "WorkloadEntry"},
      {"metadata", {{"name", Text(metadata, "name")}, {"namespace", Text(metadata, "namespace")}}},
      {"spec", {{"address", ip}}}};
  if (const json* labels = Find(metadata, "labels"); labels != nullptr && !labels->empty()) {
    entry["spec"]["labels"] = *labels;
  }
  // Its sidecar takes mutual TLS as this account: one of another mesh in the same trust domain, or
  // one of Kith's that is connected to another control plane, or not yet to this one.
  if (takes_mutual) {
    entry["spec"]["serviceAccount"] = Text(Find(&pod, "spec"), "serviceAccountName");
  }
  return entry;
}

}  // namespace

std::string DocumentName(absl::string_view kind, const json& object) {
  const json* metadata = Find(&object, "metadata");
  return absl::StrCat("kubernetes/", kind, "/", Text(metadata, "namespace"), "/",
                      Text(metadata, "name"));
}

absl::optional<ObjectDocument> DocumentOf(absl::string_view api_version, absl::string_view kind,
                                          const json& object) {
  json document;
  if (kind == "Pod") {
    absl::optional<json> entry = WorkloadEntry(object);
    if (!entry.has_value()) return absl::nullopt;
    document = *std::move(entry);
  } else {
    const json* spec = Find(&object, "spec");
    document = {{"apiVersion", std::string(api_version)},
                {"kind", std::string(kind)},
                {"metadata", Metadata(object)},
                {"spec", spec == nullptr ? json::object() : *spec}};
  }
  return ObjectDocument{DocumentName(kind, object),
                        document.dump(-1, ' ', false, json::error_handler_t::replace)};
}

}  // namespace kith::controlplane
