// The mesh's documents as the Kubernetes API has them: every kind that the registry knows, and
// pods, kept up to date. Threads: the loop's; each kind is read on a thread of its own. Owns: its
// reflectors. The loop and the client must outlive it. Errors: Create() waits for the first lists
// and fails with the last error when they do not come in time: policies that are not known yet may
// deny. Later everything that was known is kept.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "source/controlplane/kubernetes/node_book.h"
#include "source/controlplane/kubernetes/pod_book.h"
#include "source/controlplane/kubernetes/reflector.h"
#include "source/controlplane/kubernetes/slice_book.h"
#include "source/event/loop.h"
#include "source/event/timer.h"
#include "source/kubernetes/api_client.h"

namespace kith::controlplane {

class ObjectSource {
 public:
  using Documents = std::map<std::string, std::string>;
  struct Options {
    const kubernetes::ApiClient* client = nullptr;
    // Kept as the pods, EndpointSlices and nodes are. All must be there.
    PodBook* pods = nullptr;
    SliceBook* slices = nullptr;
    NodeBook* nodes = nullptr;
    // Called on the loop when the slices have changed.
    std::function<void()> slices_changed = nullptr;
    absl::Duration first_lists = absl::Seconds(60);
    // Changes that come together are given together.
    absl::Duration gather = absl::Milliseconds(100);
  };
  // `changed` is called on the loop with all documents.
  static absl::StatusOr<std::unique_ptr<ObjectSource>> Create(
      event::Loop& loop, Options options, absl::AnyInvocable<void(const Documents&)> changed);
  ~ObjectSource();
  ObjectSource(const ObjectSource&) = delete;
  ObjectSource& operator=(const ObjectSource&) = delete;

  Documents documents() const;

 private:
  struct Shared;
  struct Kind;
  ObjectSource(event::Loop& loop, Options options,
               absl::AnyInvocable<void(const Documents&)> changed);
  void Start();
  // What is done with one kind.
  Reflector::Handler DocumentsOf(const Kind& kind);
  Reflector::Handler SlicesOf(const Kind& kind);
  Reflector::Handler NodesOf(const Kind& kind);
  Reflector::Handler HandlerOf(const Kind& kind);
  void NoteChange();
  void Give();

  event::Loop& loop_;
  const Options options_;
  absl::AnyInvocable<void(const Documents&)> changed_;
  std::shared_ptr<Shared> shared_;
  event::Timer gather_;
  std::vector<std::unique_ptr<Reflector>> reflectors_;
};

}  // namespace kith::controlplane
