#include "source/inject/pod_shape.h"

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "source/base/status.h"
#include "source/inject/containers.h"

namespace kith::inject {
namespace {

constexpr size_t kMaxItems = 1000;  // Of containers and volumes; a pod has a few.

absl::Status CheckTexts(const Json& metadata, const char* field) {
  const Json* texts = Find(metadata, field);
  if (texts == nullptr) return absl::OkStatus();
  if (!texts->is_object()) {
    return absl::InvalidArgumentError(absl::StrCat("metadata.", field, ": is no object"));
  }
  for (const auto& [key, value] : texts->items()) {
    if (!value.is_string()) {
      return absl::InvalidArgumentError(
          absl::StrCat("metadata.", field, ": ", key, " is no string"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckNamed(const Json& spec, const char* field) {
  const Json* list = Find(spec, field);
  if (list == nullptr) return absl::OkStatus();
  if (!list->is_array() || list->size() > kMaxItems) {
    return absl::InvalidArgumentError(absl::StrCat("spec.", field, ": is no list, or too long"));
  }
  for (const Json& item : *list) {
    if (Text(item, "name").empty()) {
      return absl::InvalidArgumentError(absl::StrCat("spec.", field, ": an element has no name"));
    }
  }
  return absl::OkStatus();
}

template <typename Action>
absl::Status ForEachContainer(const Json& spec, Action act) {
  for (const char* field : {"initContainers", "containers"}) {
    const Json* list = Find(spec, field);
    if (list == nullptr) continue;
    for (const Json& container : *list) KITH_RETURN_IF_ERROR(act(container));
  }
  return absl::OkStatus();
}

bool RunsAs(const Json& holder, uint32_t uid) {
  const Json* context = Find(holder, "securityContext");
  const Json* user = context == nullptr ? nullptr : Find(*context, "runAsUser");
  return user != nullptr && user->is_number_integer() && user->get<int64_t>() == uid;
}

absl::Status CheckContainer(const Json& container, const Options& options) {
  const std::string name = Text(container, "name");
  if (name == "istio-proxy" || name == "linkerd-proxy") {
    return absl::FailedPreconditionError(
        absl::StrCat("the pod has a sidecar of ", name == "istio-proxy" ? "Istio" : "Linkerd",
                     " (container ", name, "); turn its injection off first (docs/migration.md)"));
  }
  if (name == kSidecarName || name == kCaptureName || name == kValidationName) {
    return absl::FailedPreconditionError(
        absl::StrCat("the pod has a container ", name, " that Kith did not inject; rename it"));
  }
  if (RunsAs(container, options.proxy_uid)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "container ", name, " runs as user ", options.proxy_uid,
        ", the sidecar's own, whose traffic is not captured; give it another runAsUser"));
  }
  const Json* ports = Find(container, "ports");
  if (ports == nullptr || !ports->is_array()) return absl::OkStatus();
  for (const Json& port : *ports) {
    const Json* number = Find(port, "containerPort");
    if (number == nullptr || !number->is_number_integer()) continue;
    for (const int64_t own : {kInboundPort, kOutboundPort, kMonitoringPort}) {
      if (number->get<int64_t>() != own) continue;
      return absl::FailedPreconditionError(absl::StrCat(
          "container ", name, " has port ", own, ", which is the sidecar's; use another one"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckShape(const Json& pod) {
  if (!pod.is_object()) return absl::InvalidArgumentError("the pod is no object");
  if (const Json* metadata = Find(pod, "metadata"); metadata != nullptr) {
    if (!metadata->is_object()) return absl::InvalidArgumentError("metadata: is no object");
    KITH_RETURN_IF_ERROR(CheckTexts(*metadata, "labels"));
    KITH_RETURN_IF_ERROR(CheckTexts(*metadata, "annotations"));
  }
  const Json* spec = Find(pod, "spec");
  if (spec == nullptr || !spec->is_object()) {
    return absl::InvalidArgumentError("spec: is missing or no object");
  }
  const Json* containers = Find(*spec, "containers");
  if (containers == nullptr || !containers->is_array() || containers->empty()) {
    return absl::InvalidArgumentError("spec.containers: is missing or empty");
  }
  KITH_RETURN_IF_ERROR(CheckNamed(*spec, "containers"));
  KITH_RETURN_IF_ERROR(CheckNamed(*spec, "initContainers"));
  return CheckNamed(*spec, "volumes");
}

absl::Status CheckRoom(const Json& pod, const Options& options) {
  const Json& spec = pod["spec"];
  KITH_RETURN_IF_ERROR(ForEachContainer(
      spec, [&](const Json& container) { return CheckContainer(container, options); }));
  if (RunsAs(spec, options.proxy_uid)) {
    return absl::FailedPreconditionError(
        absl::StrCat("spec.securityContext.runAsUser is ", options.proxy_uid,
                     ", the sidecar's own user, whose traffic is not captured; use another one"));
  }
  const Json* volumes = Find(spec, "volumes");
  if (volumes == nullptr) return absl::OkStatus();
  for (const Json& volume : *volumes) {
    for (const absl::string_view own : kVolumeNames) {
      if (Text(volume, "name") != own) continue;
      return absl::FailedPreconditionError(
          absl::StrCat("the pod has a volume ", own, " that Kith did not inject; rename it"));
    }
  }
  return absl::OkStatus();
}

bool IsForWindows(const Json& pod) {
  const Json& spec = pod["spec"];
  const Json* os = Find(spec, "os");
  if (os != nullptr && Text(*os, "name") == "windows") return true;
  const Json* selector = Find(spec, "nodeSelector");
  return selector != nullptr && (Text(*selector, "kubernetes.io/os") == "windows" ||
                                 Text(*selector, "beta.kubernetes.io/os") == "windows");
}

}  // namespace kith::inject
