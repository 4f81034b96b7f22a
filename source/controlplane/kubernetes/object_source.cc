#include "source/controlplane/kubernetes/object_source.h"

#include <condition_variable>
#include <mutex>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "source/controlplane/kubernetes/documents.h"

namespace kith::controlplane {
namespace {

struct Kind {
  const char* path;
  const char* api_version;
  const char* kind;
};
constexpr Kind kKinds[] = {
    {"/api/v1/pods", "v1", "Pod"},
    {"/api/v1/services", "v1", "Service"},
    {"/apis/security.istio.io/v1/authorizationpolicies", "security.istio.io/v1",
     "AuthorizationPolicy"},
    {"/apis/security.istio.io/v1/peerauthentications", "security.istio.io/v1",
     "PeerAuthentication"},
    {"/apis/security.istio.io/v1/requestauthentications", "security.istio.io/v1",
     "RequestAuthentication"},
    {"/apis/networking.istio.io/v1/destinationrules", "networking.istio.io/v1", "DestinationRule"},
    {"/apis/networking.istio.io/v1/serviceentries", "networking.istio.io/v1", "ServiceEntry"},
    {"/apis/networking.istio.io/v1/workloadentries", "networking.istio.io/v1", "WorkloadEntry"},
    {"/apis/mesh.kith.dev/v1alpha1/meshconfigs", "mesh.kith.dev/v1alpha1", "MeshConfig"},
    {"/apis/mesh.kith.dev/v1alpha1/ratelimitpolicies", "mesh.kith.dev/v1alpha1", "RateLimitPolicy"},
    {"/apis/mesh.kith.dev/v1alpha1/trustpolicies", "mesh.kith.dev/v1alpha1", "TrustPolicy"},
};

}  // namespace

// What the reflectors' threads write.
struct ObjectSource::Shared {
  std::mutex mutex;  // Guards what follows.
  std::condition_variable listed;
  Documents documents;
  std::set<std::string> missing;  // Kinds whose first list has not come.

  void Put(const Kind& kind, const Reflector::Object& object) {
    auto document = DocumentOf(kind.api_version, kind.kind, object);
    const std::lock_guard<std::mutex> lock(mutex);
    if (document.has_value()) {
      documents[document->name] = std::move(document->text);
    } else {
      documents.erase(DocumentName(kind.kind, object));
    }
  }
  void Remove(const Kind& kind, const Reflector::Object& object) {
    const std::lock_guard<std::mutex> lock(mutex);
    documents.erase(DocumentName(kind.kind, object));
  }
  void Replace(const Kind& kind, const std::vector<Reflector::Object>& objects) {
    Documents fresh;
    for (const Reflector::Object& object : objects) {
      auto document = DocumentOf(kind.api_version, kind.kind, object);
      if (document.has_value()) fresh[document->name] = std::move(document->text);
    }
    const std::string prefix = absl::StrCat("kubernetes/", kind.kind, "/");
    const std::lock_guard<std::mutex> lock(mutex);
    auto old = documents.lower_bound(prefix);
    while (old != documents.end() && absl::StartsWith(old->first, prefix)) {
      old = documents.erase(old);
    }
    documents.merge(fresh);
    missing.erase(kind.kind);
    listed.notify_all();
  }
};

ObjectSource::ObjectSource(event::Loop& loop, Options options,
                           absl::AnyInvocable<void(const Documents&)> changed)
    : loop_(loop),
      options_(options),
      changed_(std::move(changed)),
      shared_(std::make_shared<Shared>()),
      gather_(loop, [this] { changed_(documents()); }) {}

ObjectSource::~ObjectSource() = default;

ObjectSource::Documents ObjectSource::documents() const {
  const std::lock_guard<std::mutex> lock(shared_->mutex);
  return shared_->documents;
}

// On a reflector's thread.
void ObjectSource::NoteChange() {
  loop_.Post([this, alive = std::weak_ptr<Shared>(shared_)] {
    if (!alive.expired() && !gather_.active()) gather_.Start(options_.gather);
  });
}

void ObjectSource::Start() {
  for (const Kind& kind : kKinds) {
    shared_->missing.insert(kind.kind);
    Reflector::Options options;
    options.client = options_.client;
    options.path = kind.path;
    Reflector::Handler handler;
    PodBook* const pods = absl::string_view(kind.kind) == "Pod" ? options_.pods : nullptr;
    handler.replaced = [this, &kind, pods](const std::vector<Reflector::Object>& objects) {
      if (pods != nullptr) pods->Replace(objects);
      shared_->Replace(kind, objects);
      NoteChange();
    };
    handler.changed = [this, &kind, pods](const Reflector::Object& object) {
      if (pods != nullptr) pods->Put(object);
      shared_->Put(kind, object);
      NoteChange();
    };
    handler.removed = [this, &kind, pods](const Reflector::Object& object) {
      if (pods != nullptr) pods->Remove(object);
      shared_->Remove(kind, object);
      NoteChange();
    };
    reflectors_.push_back(std::make_unique<Reflector>(std::move(options), std::move(handler)));
  }
}

absl::StatusOr<std::unique_ptr<ObjectSource>> ObjectSource::Create(
    event::Loop& loop, Options options, absl::AnyInvocable<void(const Documents&)> changed) {
  std::unique_ptr<ObjectSource> source(new ObjectSource(loop, options, std::move(changed)));
  {
    // The threads wait for it until every kind is known to be missing.
    const std::lock_guard<std::mutex> lock(source->shared_->mutex);
    source->Start();
  }
  std::unique_lock<std::mutex> lock(source->shared_->mutex);
  source->shared_->listed.wait_for(lock, absl::ToChronoMilliseconds(options.first_lists),
                                   [&] { return source->shared_->missing.empty(); });
  if (source->shared_->missing.empty()) return source;
  absl::Status late = absl::DeadlineExceededError(absl::StrCat(
      "the Kubernetes API has not listed ", absl::StrJoin(source->shared_->missing, ", "),
      " within ", absl::FormatDuration(options.first_lists),
      "; are the CustomResourceDefinitions installed, and may the control plane read them? the log "
      "has the API server's words"));
  lock.unlock();
  return late;
}

}  // namespace kith::controlplane
