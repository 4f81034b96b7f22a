#include "source/ctl/check_cluster.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "source/base/status.h"
#include "source/ctl/check_roots.h"
#include "source/ctl/install.h"
#include "source/ctl/table.h"
#include "source/kubernetes/json_read.h"

namespace kith::ctl {
namespace {

using kubernetes::Find;
using kubernetes::Text;
using nlohmann::json;

constexpr int kLeastMinor = 29;  // Native sidecars; the chart's kubeVersion.
constexpr absl::Duration kMaxSkew = absl::Seconds(30);
constexpr size_t kPage = 500;
constexpr size_t kShown = 5;  // Of a long list.
constexpr char kWebhooks[] = "/apis/admissionregistration.k8s.io/v1/";
constexpr char kInstallHint[] = "kithctl install --create-namespace | kubectl apply -f -";

// "a, b, c and 7 more".
std::string Shown(const std::vector<std::string>& names) {
  const size_t shown = std::min(names.size(), kShown);
  std::string text =
      absl::StrJoin(names.begin(), names.begin() + static_cast<ptrdiff_t>(shown), ", ");
  if (names.size() > shown) absl::StrAppend(&text, " and ", names.size() - shown, " more");
  return text;
}

int64_t Number(const json* object, const char* key) {
  const json* found = Find(object, key);
  return found == nullptr || !found->is_number_integer() ? 0 : found->get<int64_t>();
}

const json& Items(const json& list) {
  static const json& none = *new json(json::array());
  const json* items = Find(&list, "items");
  return items == nullptr || !items->is_array() ? none : *items;
}

bool IsTrueCondition(const json& object, const char* type) {
  const json* conditions = Find(Find(&object, "status"), "conditions");
  if (conditions == nullptr || !conditions->is_array()) return false;
  for (const json& condition : *conditions) {
    if (Text(&condition, "type") == type) return Text(&condition, "status") == "True";
  }
  return false;
}

// The image of the container of that name; native sidecars are init containers.
std::string ImageOf(const json* pod_spec, absl::string_view name) {
  for (const char* list : {"initContainers", "containers"}) {
    const json* containers = Find(pod_spec, list);
    if (containers == nullptr || !containers->is_array()) continue;
    for (const json& container : *containers) {
      if (Text(&container, "name") == name) return Text(&container, "image");
    }
  }
  return "";
}

// The names of the CustomResourceDefinitions that an installation has.
std::vector<std::string> DefinitionNames() {
  std::vector<std::string> names;
  const absl::StatusOr<Installation> installation = RenderInstallation({});
  if (!installation.ok()) return names;
  for (const inject::Json& object : installation->objects) {
    if (inject::Text(object, "kind") != "CustomResourceDefinition") continue;
    names.push_back(inject::Text(*inject::Find(object, "metadata"), "name"));
  }
  return names;
}

}  // namespace

absl::StatusOr<json> ClusterCheck::Get(const std::string& path) const {
  KITH_ASSIGN_OR_RETURN(const std::string body, options_.client->Call("GET", path));
  json object = kubernetes::ParseJson(body);
  if (!object.is_object()) {
    return absl::UnavailableError(absl::StrCat("GET ", path, ": the answer is no object"));
  }
  return object;
}

bool ClusterCheck::Api() {
  list_.Begin("kubernetes-api");
  const auto answer = options_.client->Ask("GET", "/version");
  if (!answer.ok()) {
    list_.Bad("the API answers", std::string(answer.status().message()),
              absl::StrCat("is ", options_.server,
                           " the cluster you mean, and are its certificate and your credentials "
                           "current? kubectl cluster-info"));
    return false;
  }
  list_.Good("the API answers", options_.server);
  const json version = kubernetes::ParseJson(answer->body);
  std::string minor = Text(&version, "minor");  // "29+" of some providers.
  while (!minor.empty() && !absl::ascii_isdigit(static_cast<unsigned char>(minor.back()))) {
    minor.pop_back();
  }
  int number = 0;
  const bool new_enough =
      Text(&version, "major") == "1" && absl::SimpleAtoi(minor, &number) && number >= kLeastMinor;
  if (new_enough) {
    list_.Good("Kubernetes is 1.29 or newer", Text(&version, "gitVersion"));
  } else {
    list_.Bad("Kubernetes is 1.29 or newer", absl::StrCat("it is ", Text(&version, "gitVersion")),
              "native sidecars need it; update the cluster");
  }
  const absl::Duration skew = answer->date - options_.now;
  if (answer->date == absl::InfinitePast()) {
    list_.Warn("its clock and this one agree", "the API did not say what time it is",
               "compare them by hand: certificates are valid by the clock");
  } else if (skew > kMaxSkew || skew < -kMaxSkew) {
    list_.Bad("its clock and this one agree",
              absl::StrCat("it is ", ShortDuration(skew), " from this one"),
              "set the clocks by NTP: certificates are valid by them");
  } else {
    list_.Good("its clock and this one agree");
  }
  return true;
}

void ClusterCheck::Permission(const std::string& group, const std::string& resource,
                              bool namespaced) {
  json attributes = {{"group", group}, {"resource", resource}, {"verb", "create"}};
  if (namespaced) attributes["namespace"] = options_.name_space;
  const json review = {{"apiVersion", "authorization.k8s.io/v1"},
                       {"kind", "SelfSubjectAccessReview"},
                       {"spec", {{"resourceAttributes", attributes}}}};
  const std::string what = absl::StrCat("you may create ", resource);
  const auto answer = options_.client->Call(
      "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review.dump());
  if (!answer.ok()) {
    list_.Bad(what, std::string(answer.status().message()), "ask an administrator of the cluster");
    return;
  }
  const json read = kubernetes::ParseJson(*answer);
  const json* allowed = Find(Find(&read, "status"), "allowed");
  if (allowed != nullptr && *allowed == true) {
    list_.Good(what);
  } else {
    list_.Bad(what, "the API says no",
              "install as an administrator, or have one apply what kithctl install prints");
  }
}

void ClusterCheck::BeforeInstallation() {
  list_.Begin("permissions");
  Permission("", "namespaces", false);
  Permission("apiextensions.k8s.io", "customresourcedefinitions", false);
  Permission("rbac.authorization.k8s.io", "clusterroles", false);
  Permission("rbac.authorization.k8s.io", "clusterrolebindings", false);
  Permission("admissionregistration.k8s.io", "mutatingwebhookconfigurations", false);
  Permission("admissionregistration.k8s.io", "validatingwebhookconfigurations", false);
  for (const char* resource :
       {"serviceaccounts", "configmaps", "services", "persistentvolumeclaims"}) {
    Permission("", resource, true);
  }
  Permission("apps", "deployments", true);
  NoOther();
}

void ClusterCheck::NoOther() {
  list_.Begin("before-installation");
  const std::string path = absl::StrCat("/apis/apps/v1/namespaces/", options_.name_space,
                                        "/deployments/kith-controlplane");
  if (const auto found = Get(path); found.ok()) {
    list_.Warn("Kith is not installed yet", "its Deployment is there",
               "to update it is fine; look at it with kithctl check");
  } else {
    list_.Good("Kith is not installed yet");
  }
  const auto definition =
      Get("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/"
          "authorizationpolicies.security.istio.io");
  const json* labels = definition.ok() ? Find(Find(&*definition, "metadata"), "labels") : nullptr;
  if (definition.ok() && Text(labels, "app.kubernetes.io/part-of") != "kith") {
    list_.Warn("no other mesh owns the policy kinds", "Istio's definitions are there",
               "keep them: kithctl install --set crds.istio=false (docs/migration.md)");
  } else {
    list_.Good("no other mesh owns the policy kinds");
  }
  const auto injectors = Get(absl::StrCat(kWebhooks, "mutatingwebhookconfigurations"));
  std::vector<std::string> others;
  if (injectors.ok()) {
    for (const json& each : Items(*injectors)) {
      const std::string name = Text(Find(&each, "metadata"), "name");
      if (absl::StrContains(name, "istio-sidecar-injector") ||
          absl::StrContains(name, "linkerd-proxy-injector")) {
        others.push_back(name);
      }
    }
  }
  if (others.empty()) {
    list_.Good("no other mesh injects sidecars");
  } else {
    list_.Warn("no other mesh injects sidecars", Shown(others),
               "give a namespace one mesh's label only (docs/migration.md)");
  }
}

void ClusterCheck::Definitions() {
  list_.Begin("kith-definitions");
  std::vector<std::string> missing;
  for (const std::string& name : DefinitionNames()) {
    const auto found =
        Get(absl::StrCat("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/", name));
    if (!found.ok() || !IsTrueCondition(*found, "Established")) missing.push_back(name);
  }
  if (missing.empty()) {
    list_.Good("the policy kinds are defined");
  } else {
    list_.Bad("the policy kinds are defined", absl::StrCat("not, or not yet: ", Shown(missing)),
              kInstallHint);
  }
}

void ClusterCheck::ControlPlane() {
  list_.Begin("kith-control-plane");
  const std::string folder = absl::StrCat("/api/v1/namespaces/", options_.name_space);
  if (const auto found = Get(folder); !found.ok()) {
    list_.Bad("its namespace is there", std::string(found.status().message()),
              absl::StrCat(kInstallHint, "; or name it with --namespace"));
    return;
  }
  list_.Good("its namespace is there", options_.name_space);
  const auto found = Get(absl::StrCat("/apis/apps/v1/namespaces/", options_.name_space,
                                      "/deployments/kith-controlplane"));
  if (!found.ok()) {
    list_.Bad("its Deployment is there", std::string(found.status().message()), kInstallHint);
    return;
  }
  const json* spec = Find(&*found, "spec");
  image_ = ImageOf(Find(Find(spec, "template"), "spec"), "controlplane");
  const int64_t wanted = Number(spec, "replicas");
  const int64_t ready = Number(Find(&*found, "status"), "readyReplicas");
  const std::string count = absl::StrCat(ready, " of ", wanted, " ready");
  if (wanted > 0 && ready >= wanted) {
    list_.Good("its pods are ready", absl::StrCat(count, ", ", image_));
  } else {
    const std::string hint =
        absl::StrCat("kubectl --namespace ", options_.name_space,
                     " logs deployment/kith-controlplane; kubectl --namespace ",
                     options_.name_space, " get events");
    if (ready > 0) {
      list_.Warn("its pods are ready", count, hint);
    } else {
      list_.Bad("its pods are ready", count, hint);
    }
  }
}

std::string ClusterCheck::Roots() {
  list_.Begin("kith-identity");
  const auto found =
      Get(absl::StrCat("/api/v1/namespaces/", options_.name_space, "/configmaps/kith-root-cert"));
  if (!found.ok()) {
    list_.Bad("the control plane publishes its roots", std::string(found.status().message()),
              "its log says why it cannot write the ConfigMap kith-root-cert");
    return "";
  }
  std::string roots = Text(Find(&*found, "data"), "root-cert.pem");
  list_.Good("the control plane publishes its roots");
  CheckRoots("the control plane", roots, options_.now, list_);
  return roots;
}

void ClusterCheck::Webhook(const std::string& kind, const std::string& resource,
                           const std::string& roots) {
  const std::string what = absl::StrCat("the ", kind, " webhook trusts these roots");
  const auto found = Get(absl::StrCat(kWebhooks, resource, "/kith"));
  if (!found.ok()) {
    list_.Bad(what, std::string(found.status().message()), kInstallHint);
    return;
  }
  const auto wanted = Fingerprints(roots);
  const json* webhooks = Find(&*found, "webhooks");
  bool same = wanted.ok() && webhooks != nullptr && !webhooks->empty();
  for (size_t i = 0; same && i < webhooks->size(); ++i) {
    std::string pem;
    same = absl::Base64Unescape(Text(Find(&(*webhooks)[i], "clientConfig"), "caBundle"), &pem);
    const auto bundle = Fingerprints(pem);
    same = same && bundle.ok() && *bundle == *wanted;
  }
  if (same) {
    list_.Good(what);
  } else {
    list_.Bad(what, "its caBundle holds other ones or none, so the API server cannot call it",
              "the control plane writes it within seconds; its log says why it cannot");
  }
}

void ClusterCheck::Collect(const json& page, Injected& injected) const {
  for (const json& pod : Items(page)) {
    const json* metadata = Find(&pod, "metadata");
    const json* annotations = Find(metadata, "annotations");
    if (annotations == nullptr || !annotations->contains("sidecar.kith.dev/status")) continue;
    const std::string phase = Text(Find(&pod, "status"), "phase");
    if (phase == "Succeeded" || phase == "Failed") continue;
    const std::string name_space = Text(metadata, "namespace");
    const std::string name = absl::StrCat(name_space, "/", Text(metadata, "name"));
    ++injected.pods;
    if (!IsTrueCondition(pod, "Ready")) injected.not_ready.push_back(name);
    const std::string image = ImageOf(Find(&pod, "spec"), "kith-sidecar");
    if (!image_.empty() && image != image_) {
      injected.other_versions.push_back(absl::StrCat(name, " (", image, ")"));
    }
    if (injected.namespaces.empty() || injected.namespaces.back() != name_space) {
      injected.namespaces.push_back(name_space);
    }
  }
}

void ClusterCheck::DataPlane(const std::string& roots) {
  list_.Begin("kith-data-plane");
  Injected injected;
  std::string next;
  do {
    const auto page =
        Get(absl::StrCat("/api/v1/pods?limit=", kPage, next.empty() ? "" : "&continue=", next));
    if (!page.ok()) {
      list_.Bad("the pods can be listed", std::string(page.status().message()),
                "you need to list pods in all namespaces");
      return;
    }
    Collect(*page, injected);
    next = Text(Find(&*page, "metadata"), "continue");
  } while (!next.empty());
  if (injected.pods == 0) {
    list_.Warn(
        "pods have sidecars", "none has",
        "kubectl label namespace NAME sidecar.kith.dev/inject=enabled, and restart its pods");
    return;
  }
  list_.Good("pods have sidecars", absl::StrCat(injected.pods));
  if (injected.not_ready.empty()) {
    list_.Good("they are ready");
  } else {
    list_.Warn("they are ready", Shown(injected.not_ready),
               "kubectl describe pod; kubectl logs POD -c kith-sidecar");
  }
  if (injected.other_versions.empty()) {
    list_.Good("their sidecars are of the control plane's version");
  } else {
    list_.Warn("their sidecars are of the control plane's version", Shown(injected.other_versions),
               "kubectl rollout restart what they belong to");
  }
  const auto wanted = Fingerprints(roots);
  std::vector<std::string> others;
  const std::set<std::string> namespaces(injected.namespaces.begin(), injected.namespaces.end());
  for (const std::string& name_space : namespaces) {
    const auto found =
        Get(absl::StrCat("/api/v1/namespaces/", name_space, "/configmaps/kith-root-cert"));
    const auto held = found.ok() ? Fingerprints(Text(Find(&*found, "data"), "root-cert.pem"))
                                 : absl::StatusOr<std::set<std::string>>(found.status());
    if (!wanted.ok() || !held.ok() || *held != *wanted) others.push_back(name_space);
  }
  if (others.empty()) {
    list_.Good("their namespaces have the control plane's roots");
  } else {
    list_.Bad("their namespaces have the control plane's roots", Shown(others),
              "the control plane writes the ConfigMap kith-root-cert; its log says why it cannot");
  }
}

void ClusterCheck::AfterInstallation() {
  Definitions();
  ControlPlane();
  const std::string roots = Roots();
  Webhook("injecting", "mutatingwebhookconfigurations", roots);
  Webhook("validating", "validatingwebhookconfigurations", roots);
  DataPlane(roots);
}

}  // namespace kith::ctl
