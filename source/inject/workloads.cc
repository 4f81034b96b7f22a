#include "source/inject/workloads.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace kith::inject {
namespace {

// Null when objects of this kind have no pods.
Json* PodOf(Json& object) {
  const std::string kind = Text(object, "kind");
  const std::string version = Text(object, "apiVersion");
  if (kind == "Pod" && version == "v1") return &object;
  const bool apps = version == "apps/v1" && (kind == "Deployment" || kind == "StatefulSet" ||
                                             kind == "DaemonSet" || kind == "ReplicaSet");
  const bool job = version == "batch/v1" && kind == "Job";
  const bool controller = version == "v1" && kind == "ReplicationController";
  const bool cron_job = version == "batch/v1" && kind == "CronJob";
  if (!apps && !job && !controller && !cron_job) return nullptr;
  Json* spec = Find(object, "spec");
  if (cron_job && spec != nullptr) {
    Json* job_template = Find(*spec, "jobTemplate");
    spec = job_template == nullptr ? nullptr : Find(*job_template, "spec");
  }
  return spec == nullptr ? nullptr : Find(*spec, "template");
}

std::string Label(const Json& object) {
  const Json* metadata = Find(object, "metadata");
  const std::string name_space = metadata == nullptr ? "" : Text(*metadata, "namespace");
  std::string name = metadata == nullptr ? "" : Text(*metadata, "name");
  if (name.empty() && metadata != nullptr) {
    name = absl::StrCat(Text(*metadata, "generateName"), "*");
  }
  return absl::StrCat(Text(object, "kind"), " ", name_space, name_space.empty() ? "" : "/", name);
}

template <typename Action>
void ForEachObject(Json& object, Action act) {
  if (Text(object, "kind") != "List") return act(object);
  Json* items = Find(object, "items");
  if (items == nullptr || !items->is_array()) return;
  for (Json& item : *items) act(item);
}

}  // namespace

std::vector<Report> InjectInto(Json& object, const std::string& name_space,
                               const Options& options) {
  std::vector<Report> reports;
  ForEachObject(object, [&](Json& each) {
    Json* pod = PodOf(each);
    if (pod == nullptr) return;
    const Json* metadata = Find(each, "metadata");
    const std::string own = metadata == nullptr ? "" : Text(*metadata, "namespace");
    Request request;
    request.name_space = own.empty() ? name_space : own;
    Verdict verdict = Inject(*pod, request, options);
    reports.push_back(
        {Label(each), verdict.kind, std::move(verdict.reason), std::move(verdict.warnings)});
    if (verdict.kind == Verdict::Kind::kInjected) *pod = std::move(verdict.pod);
  });
  return reports;
}

std::vector<Report> UninjectFrom(Json& object) {
  std::vector<Report> reports;
  ForEachObject(object, [&](Json& each) {
    Json* pod = PodOf(each);
    if (pod == nullptr || !IsInjected(*pod)) return;
    absl::StatusOr<Json> plain = Uninject(*pod);
    Report report{Label(each), Verdict::Kind::kInjected, "", {}};
    if (plain.ok()) {
      *pod = *std::move(plain);
    } else {
      report.kind = Verdict::Kind::kRefused;
      report.reason = std::string(plain.status().message());
    }
    reports.push_back(std::move(report));
  });
  return reports;
}

}  // namespace kith::inject
