#include "source/controlplane/kubernetes/publisher.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "source/base/log.h"
#include "source/base/status.h"
#include "source/kubernetes/json_read.h"

namespace kith::controlplane {
namespace {

using kubernetes::Find;
using kubernetes::ParseJson;
using kubernetes::Text;
using nlohmann::json;

constexpr char kKey[] = "root-cert.pem";

absl::StatusOr<json> Get(const kubernetes::ApiClient& client, const std::string& path) {
  KITH_ASSIGN_OR_RETURN(const std::string body, client.Call("GET", path));
  json object = ParseJson(body);
  if (!object.is_object()) {
    return absl::UnavailableError(absl::StrCat("GET ", path, ": the answer is no object"));
  }
  return object;
}

}  // namespace

RootsPublisher::RootsPublisher(Options options)
    : options_(std::move(options)), roots_pem_(options_.roots_pem), thread_([this] { Run(); }) {}

RootsPublisher::~RootsPublisher() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

void RootsPublisher::SetRoots(std::string roots_pem) {
  const std::lock_guard<std::mutex> lock(mutex_);
  roots_pem_ = std::move(roots_pem);
  new_roots_ = true;
  changed_.notify_all();
}

void RootsPublisher::Run() {
  while (true) {
    std::string roots;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (stopping_) return;
      new_roots_ = false;
      roots = roots_pem_;
    }
    const bool writes = options_.leads == nullptr || options_.leads();
    const std::string failure(writes ? Publish(roots).message() : "");
    if (!failure.empty() && failure != told_) {
      base::Log(base::LogLevel::kWarning, "kubernetes", "the roots are not published everywhere",
                {{"error", failure}});
    }
    told_ = failure;
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait_for(lock, absl::ToChronoMilliseconds(options_.round),
                      [this] { return stopping_ || new_roots_; });
  }
}

absl::Status RootsPublisher::Publish(const std::string& roots_pem) {
  absl::Status first;
  const auto note = [&first](const absl::Status& status) {
    if (first.ok()) first = status;
  };
  if (!options_.webhooks.empty()) {
    note(SetCaBundle("mutatingwebhookconfigurations", roots_pem));
    note(SetCaBundle("validatingwebhookconfigurations", roots_pem));
  }
  const absl::StatusOr<json> list = Get(*options_.client, "/api/v1/namespaces");
  if (!list.ok()) {
    note(list.status());
    return first;
  }
  const json* items = Find(&*list, "items");
  if (items == nullptr || !items->is_array()) return first;
  for (const json& each : *items) {
    const json* metadata = Find(&each, "metadata");
    const std::string name = Text(metadata, "name");
    const std::vector<std::string>& ignored = options_.ignored_namespaces;
    if (name.empty() || Find(metadata, "deletionTimestamp") != nullptr ||
        std::find(ignored.begin(), ignored.end(), name) != ignored.end()) {
      continue;
    }
    note(PublishTo(name, roots_pem));
  }
  return first;
}

absl::Status RootsPublisher::PublishTo(const std::string& name_space,
                                       const std::string& roots_pem) {
  const std::string folder = absl::StrCat("/api/v1/namespaces/", name_space, "/configmaps");
  const std::string path = absl::StrCat(folder, "/", options_.config_map);
  const absl::StatusOr<json> present = Get(*options_.client, path);
  if (absl::IsNotFound(present.status())) {
    const json made = {{"apiVersion", "v1"},
                       {"kind", "ConfigMap"},
                       {"metadata",
                        {{"name", options_.config_map},
                         {"namespace", name_space},
                         {"labels", {{"app.kubernetes.io/part-of", "kith"}}}}},
                       {"data", {{kKey, roots_pem}}}};
    return options_.client->Call("POST", folder, made.dump()).status();
  }
  if (!present.ok()) return present.status();
  if (Text(Find(&*present, "data"), kKey) == roots_pem) return absl::OkStatus();
  const json change = {{"data", {{kKey, roots_pem}}}};
  return options_.client->Call("PATCH", path, change.dump()).status();
}

absl::Status RootsPublisher::SetCaBundle(const std::string& kind, const std::string& roots_pem) {
  const std::string path =
      absl::StrCat("/apis/admissionregistration.k8s.io/v1/", kind, "/", options_.webhooks);
  absl::StatusOr<json> present = Get(*options_.client, path);
  if (absl::IsNotFound(present.status())) return absl::OkStatus();  // Not installed.
  if (!present.ok()) return present.status();
  const std::string bundle = absl::Base64Escape(roots_pem);
  bool changed = false;
  const json* webhooks = Find(&*present, "webhooks");
  for (size_t i = 0; webhooks != nullptr && webhooks->is_array() && i < webhooks->size(); ++i) {
    const json* client = Find(&(*webhooks)[i], "clientConfig");
    if (client == nullptr || Text(client, "caBundle") == bundle) continue;
    (*present)["webhooks"][i]["clientConfig"]["caBundle"] = bundle;
    changed = true;
  }
  // With its resourceVersion: whoever changed it meanwhile is not overwritten; the next round tries
  // again.
  return changed ? options_.client->Call("PUT", path, present->dump()).status() : absl::OkStatus();
}

}  // namespace kith::controlplane
