#include "source/inject/inject.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "source/base/status.h"
#include "source/base/version.h"
#include "source/inject/annotations.h"
#include "source/inject/containers.h"
#include "source/inject/pod_shape.h"
#include "source/inject/probes.h"

namespace kith::inject {
namespace {

constexpr char kDefaultContainer[] = "kubectl.kubernetes.io/default-container";
constexpr int64_t kDefaultGraceSeconds = 30;

Verdict Skipped(std::string reason) {
  Verdict verdict;
  verdict.reason = std::move(reason);
  return verdict;
}

Verdict Refused(const absl::Status& status) {
  Verdict verdict;
  verdict.kind = Verdict::Kind::kRefused;
  verdict.reason = std::string(status.message());
  return verdict;
}

// Empty when the pod is to have a sidecar.
std::string WhyNot(const Json& pod, const Request& request, const Options& options) {
  const Json* host_network = Find(pod["spec"], "hostNetwork");
  if (host_network != nullptr && host_network->is_boolean() && host_network->get<bool>()) {
    return "it uses the host's network (hostNetwork: true), whose traffic is not the pod's alone";
  }
  if (IsForWindows(pod)) return "it is for Windows nodes";
  const std::vector<std::string>& ignored = options.ignored_namespaces;
  if (std::find(ignored.begin(), ignored.end(), request.name_space) != ignored.end()) {
    return absl::StrCat("namespace ", request.name_space, " is one of the ignored");
  }
  const Ask own = AskOfPod(pod);
  if (own.wish == Wish::kRefused) return absl::StrCat("its ", own.by, " refuses it");
  if (own.wish == Wish::kWanted || !request.namespace_labels.has_value()) return "";
  const Ask of_namespace = AskOfNamespace(*request.namespace_labels);
  if (of_namespace.wish == Wish::kWanted) return "";
  if (of_namespace.wish == Wish::kRefused) return absl::StrCat(of_namespace.by, " refuses it");
  return "neither it nor its namespace asks for a sidecar";
}

// A list of the spec, made where it is missing.
Json& List(Json& spec, const char* field) {
  if (Find(spec, field) == nullptr) spec[field] = Json::array();
  return spec[field];
}

void PutFirst(Json& list, Json item) { list.insert(list.begin(), std::move(item)); }

void AddContainers(Json& spec, const Options& options, const PodFacts& facts) {
  Json sidecar = SidecarContainer(options, facts);
  const bool captured = options.capture != Capture::kNone;
  if (options.sidecar == Sidecar::kNative) {
    Json& list = List(spec, "initContainers");
    PutFirst(list, std::move(sidecar));
    if (captured) PutFirst(list, CaptureContainer(options));
  } else {
    // The application's init containers run before there is a sidecar: capture comes after them.
    if (captured) List(spec, "initContainers").push_back(CaptureContainer(options));
    PutFirst(spec["containers"], std::move(sidecar));
  }
  Json& volumes = List(spec, "volumes");
  for (Json& volume : Volumes(options)) volumes.push_back(std::move(volume));
}

// Adds what is not there yet and notes it.
void AddText(Json& metadata, const char* field, const std::string& key, const std::string& value,
             Json& status) {
  if (Find(metadata, field) == nullptr) metadata[field] = Json::object();
  Json& texts = metadata[field];
  if (texts.contains(key)) return;
  texts[key] = value;
  status[field].push_back(key);
}

void AddMetadata(Json& pod, const Options& options, Json& status) {
  Json& metadata = pod["metadata"];
  // By it Istio's sidecars know that the pod takes mutual TLS.
  if (options.capture != Capture::kNone) {
    AddText(metadata, "labels", "security.istio.io/tlsMode", "istio", status);
  }
  const Json* annotations = Find(metadata, "annotations");
  if (annotations == nullptr || !annotations->contains("prometheus.io/scrape")) {
    AddText(metadata, "annotations", "prometheus.io/scrape", "true", status);
    AddText(metadata, "annotations", "prometheus.io/port", absl::StrCat(kMonitoringPort), status);
    AddText(metadata, "annotations", "prometheus.io/path", "/metrics", status);
  }
  if (options.sidecar == Sidecar::kClassic) {
    AddText(metadata, "annotations", kDefaultContainer, Text(pod["spec"]["containers"][0], "name"),
            status);
  }
  if (options.capture == Capture::kCni) {
    AddText(metadata, "annotations", kCaptureAnnotation, Dump(CaptureArguments(options)), status);
  }
}

void WarnOfJobs(const Json& spec, const Options& options, std::vector<std::string>& warnings) {
  const std::string policy = Text(spec, "restartPolicy");
  if (options.sidecar != Sidecar::kClassic || (policy != "Never" && policy != "OnFailure")) return;
  warnings.emplace_back(
      "a classic sidecar does not end when the job is done, so the job never completes; use a "
      "native one (sidecar.kith.dev/native: \"true\")");
}

Verdict Render(Json pod, Options options) {
  Verdict verdict;
  verdict.kind = Verdict::Kind::kInjected;
  if (Find(pod, "metadata") == nullptr) pod["metadata"] = Json::object();
  if (const Json* annotations = Find(pod["metadata"], "annotations"); annotations != nullptr) {
    const absl::Status applied = ApplyAnnotations(*annotations, options, verdict.warnings);
    if (!applied.ok()) return Refused(applied);
  }
  if (const absl::Status room = CheckRoom(pod, options); !room.ok()) return Refused(room);
  Json& spec = pod["spec"];
  WarnOfJobs(spec, options, verdict.warnings);

  Json status = {{"version", std::string(base::kVersion)}};
  AddMetadata(pod, options, status);
  PodFacts facts;
  if (options.probes == Probes::kRewritten) {
    RewrittenProbes probes = RewriteProbes(pod, verdict.warnings);
    facts.probes = std::move(probes.sidecar);
    if (!probes.originals.empty()) status["probes"] = std::move(probes.originals);
  }
  if (const Json* labels = Find(pod["metadata"], "labels"); labels != nullptr) {
    facts.labels = *labels;
  }
  const Json* grace = Find(spec, "terminationGracePeriodSeconds");
  facts.grace_seconds =
      grace != nullptr && grace->is_number_integer() ? grace->get<int64_t>() : kDefaultGraceSeconds;
  AddContainers(spec, options, facts);
  if (Find(pod["metadata"], "annotations") == nullptr) {
    pod["metadata"]["annotations"] = Json::object();
  }
  pod["metadata"]["annotations"][kStatusAnnotation] = Canonical(status);
  verdict.pod = std::move(pod);
  return verdict;
}

// Takes the elements of these names out, and a list that is left empty.
template <typename Names>
void RemoveNamed(Json& spec, const char* field, const Names& names) {
  Json* list = Find(spec, field);
  if (list == nullptr) return;
  const size_t before = list->size();
  list->erase(std::remove_if(list->begin(), list->end(),
                             [&names](const Json& item) {
                               const std::string name = Text(item, "name");
                               return std::find(std::begin(names), std::end(names), name) !=
                                      std::end(names);
                             }),
              list->end());
  if (list->empty() && before > 0) spec.erase(field);
}

void RemoveTexts(Json& metadata, const char* field, const Json& status) {
  Json* texts = Find(metadata, field);
  const Json* added = Find(status, field);
  if (texts == nullptr) return;
  if (added != nullptr && added->is_array()) {
    for (const Json& key : *added) {
      if (key.is_string()) texts->erase(key.get<std::string>());
    }
  }
  if (texts->empty()) metadata.erase(field);
}

}  // namespace

bool IsInjected(const Json& pod) {
  const Json* metadata = Find(pod, "metadata");
  const Json* annotations = metadata == nullptr ? nullptr : Find(*metadata, "annotations");
  return annotations != nullptr && annotations->contains(kStatusAnnotation);
}

absl::StatusOr<Json> Uninject(const Json& pod) {
  KITH_RETURN_IF_ERROR(CheckShape(pod));
  if (!IsInjected(pod)) return pod;
  Json plain = pod;
  Json& metadata = plain["metadata"];
  KITH_ASSIGN_OR_RETURN(const Json status, Parse(Text(metadata["annotations"], kStatusAnnotation)));
  if (!status.is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat("annotation ", kStatusAnnotation, ": is not what Kith wrote; remove it"));
  }
  metadata["annotations"].erase(kStatusAnnotation);
  RemoveTexts(metadata, "annotations", status);
  RemoveTexts(metadata, "labels", status);
  if (metadata.empty()) plain.erase("metadata");
  Json& spec = plain["spec"];
  const std::vector<std::string> containers = {kSidecarName, kCaptureName, kValidationName};
  RemoveNamed(spec, "containers", containers);
  RemoveNamed(spec, "initContainers", containers);
  RemoveNamed(spec, "volumes", kVolumeNames);
  KITH_RETURN_IF_ERROR(CheckShape(plain));
  if (const Json* originals = Find(status, "probes"); originals != nullptr) {
    RestoreProbes(plain, *originals);
  }
  return plain;
}

Verdict Inject(const Json& pod, const Request& request, const Options& options) {
  if (const absl::Status shape = CheckShape(pod); !shape.ok()) return Refused(shape);
  if (std::string why = WhyNot(pod, request, options); !why.empty()) return Skipped(std::move(why));
  absl::StatusOr<Json> plain = Uninject(pod);
  if (!plain.ok()) return Refused(plain.status());
  return Render(*std::move(plain), options);
}

}  // namespace kith::inject
