#include "source/controlplane/kubernetes/object_source.h"

#include <condition_variable>
#include <mutex>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "absl/types/span.h"
#include "source/controlplane/kubernetes/documents.h"

namespace kith::controlplane {

struct ObjectSource::Kind {
  const char* path;
  const char* api_version;
  const char* kind;

  static absl::Span<const Kind> All();
};

absl::Span<const ObjectSource::Kind> ObjectSource::Kind::All() {
  static constexpr Kind kKinds[] = {
      {"/api/v1/pods", "v1", "Pod"},
      {"/apis/discovery.k8s.io/v1/endpointslices", "discovery.k8s.io/v1", "EndpointSlice"},
      {"/api/v1/services", "v1", "Service"},
      {"/api/v1/nodes", "v1", "Node"},
      {"/apis/security.istio.io/v1/authorizationpolicies", "security.istio.io/v1",
       "AuthorizationPolicy"},
      {"/apis/security.istio.io/v1/peerauthentications", "security.istio.io/v1",
       "PeerAuthentication"},
      {"/apis/security.istio.io/v1/requestauthentications", "security.istio.io/v1",
       "RequestAuthentication"},
      {"/apis/networking.istio.io/v1/destinationrules", "networking.istio.io/v1",
       "DestinationRule"},
      {"/apis/networking.istio.io/v1/serviceentries", "networking.istio.io/v1", "ServiceEntry"},
      {"/apis/networking.istio.io/v1/workloadentries", "networking.istio.io/v1", "WorkloadEntry"},
      {"/apis/mesh.kith.dev/v1alpha1/meshconfigs", "mesh.kith.dev/v1alpha1", "MeshConfig"},
      {"/apis/mesh.kith.dev/v1alpha1/ratelimitpolicies", "mesh.kith.dev/v1alpha1",
       "RateLimitPolicy"},
      {"/apis/mesh.kith.dev/v1alpha1/trustpolicies", "mesh.kith.dev/v1alpha1", "TrustPolicy"},
  };
  return kKinds;
}

// What the reflectors' threads write.
struct ObjectSource::Shared {
  std::mutex mutex;  // Guards what follows.
  std::condition_variable listed;
  Documents documents;
  std::set<std::string> missing;  // Kinds whose first list has not come.

  bool new_documents = false;
  bool new_slices = false;

  // Whether a document has changed: most of what happens to a pod is none of the mesh's business.
  bool Put(const Kind& kind, const Reflector::Object& object) {
    auto document = DocumentOf(kind.api_version, kind.kind, object);
    if (!document.has_value()) return Remove(kind, object);
    const std::lock_guard<std::mutex> lock(mutex);
    std::string& text = documents[document->name];
    if (text == document->text) return false;
    text = std::move(document->text);
    new_documents = true;
    return true;
  }
  bool Remove(const Kind& kind, const Reflector::Object& object) {
    const std::lock_guard<std::mutex> lock(mutex);
    if (documents.erase(DocumentName(kind.kind, object)) == 0) return false;
    new_documents = true;
    return true;
  }
  void SetNewSlices() {
    const std::lock_guard<std::mutex> lock(mutex);
    new_slices = true;
  }
  void SetListed(const Kind& kind) {
    const std::lock_guard<std::mutex> lock(mutex);
    missing.erase(kind.kind);
    listed.notify_all();
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
    new_documents = true;
  }
};

ObjectSource::ObjectSource(event::Loop& loop, Options options,
                           absl::AnyInvocable<void(const Documents&)> changed)
    : loop_(loop),
      options_(std::move(options)),
      changed_(std::move(changed)),
      shared_(std::make_shared<Shared>()),
      gather_(loop, [this] { Give(); }) {}

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

void ObjectSource::Give() {
  bool documents_changed;
  bool slices_changed;
  {
    const std::lock_guard<std::mutex> lock(shared_->mutex);
    documents_changed = std::exchange(shared_->new_documents, false);
    slices_changed = std::exchange(shared_->new_slices, false);
  }
  if (slices_changed && options_.slices_changed != nullptr) options_.slices_changed();
  if (documents_changed) changed_(documents());
}

Reflector::Handler ObjectSource::DocumentsOf(const Kind& kind) {
  PodBook* const pods = absl::string_view(kind.kind) == "Pod" ? options_.pods : nullptr;
  Reflector::Handler handler;
  handler.replaced = [this, &kind, pods](const std::vector<Reflector::Object>& objects) {
    if (pods != nullptr) pods->Replace(objects);
    shared_->Replace(kind, objects);
    shared_->SetListed(kind);
    NoteChange();
  };
  handler.changed = [this, &kind, pods](const Reflector::Object& object) {
    if (pods != nullptr) pods->Put(object);
    if (shared_->Put(kind, object)) NoteChange();
  };
  handler.removed = [this, &kind, pods](const Reflector::Object& object) {
    if (pods != nullptr) pods->Remove(object);
    if (shared_->Remove(kind, object)) NoteChange();
  };
  return handler;
}

Reflector::Handler ObjectSource::SlicesOf(const Kind& kind) {
  SliceBook* const slices = options_.slices;
  const auto note = [this] {
    shared_->SetNewSlices();
    NoteChange();
  };
  Reflector::Handler handler;
  handler.replaced = [this, &kind, slices, note](const std::vector<Reflector::Object>& objects) {
    slices->Replace(objects);
    shared_->SetListed(kind);
    note();
  };
  handler.changed = [slices, note](const Reflector::Object& object) {
    slices->Put(object);
    note();
  };
  handler.removed = [slices, note](const Reflector::Object& object) {
    slices->Remove(object);
    note();
  };
  return handler;
}

// Nobody is told at once: what a node's labels say changes with its machine.
Reflector::Handler ObjectSource::NodesOf(const Kind& kind) {
  NodeBook* const nodes = options_.nodes;
  Reflector::Handler handler;
  handler.replaced = [this, &kind, nodes](const std::vector<Reflector::Object>& objects) {
    nodes->Replace(objects);
    shared_->SetListed(kind);
  };
  handler.changed = [nodes](const Reflector::Object& object) { nodes->Put(object); };
  handler.removed = [nodes](const Reflector::Object& object) { nodes->Remove(object); };
  return handler;
}

Reflector::Handler ObjectSource::HandlerOf(const Kind& kind) {
  const absl::string_view name = kind.kind;
  if (name == "EndpointSlice") return SlicesOf(kind);
  return name == "Node" ? NodesOf(kind) : DocumentsOf(kind);
}

void ObjectSource::Start() {
  for (const Kind& kind : Kind::All()) {
    shared_->missing.insert(kind.kind);
    Reflector::Options options;
    options.client = options_.client;
    options.path = kind.path;
    reflectors_.push_back(std::make_unique<Reflector>(std::move(options), HandlerOf(kind)));
  }
}

absl::StatusOr<std::unique_ptr<ObjectSource>> ObjectSource::Create(
    event::Loop& loop, Options options, absl::AnyInvocable<void(const Documents&)> changed) {
  std::unique_ptr<ObjectSource> source(
      new ObjectSource(loop, std::move(options), std::move(changed)));
  {
    // The threads wait for it until every kind is known to be missing.
    const std::lock_guard<std::mutex> lock(source->shared_->mutex);
    source->Start();
  }
  std::unique_lock<std::mutex> lock(source->shared_->mutex);
  source->shared_->listed.wait_for(lock, absl::ToChronoMilliseconds(source->options_.first_lists),
                                   [&] { return source->shared_->missing.empty(); });
  if (source->shared_->missing.empty()) return source;
  absl::Status late = absl::DeadlineExceededError(absl::StrCat(
      "the Kubernetes API has not listed ", absl::StrJoin(source->shared_->missing, ", "),
      " within ", absl::FormatDuration(source->options_.first_lists),
      "; are the CustomResourceDefinitions installed, and may the control plane read them? the log "
      "has the API server's words"));
  lock.unlock();
  return late;
}

}  // namespace kith::controlplane
