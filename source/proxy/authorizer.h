// The external authorizers that CUSTOM policies name, as one worker asks them: over connections of
// its own that are kept and shared, HTTP/2 for gRPC and HTTP/1.1 otherwise, and mutual TLS where
// the mesh knows the authorizer's service and its endpoints have sidecars. Threads: the worker's
// loop. Owns: its connections; a question under way belongs to who asks. Errors:
// extauthz::Verdict::Outcome::kFailed, with what failed.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "source/extauthz/provider.h"
#include "source/extauthz/verdict.h"
#include "source/proxy/outbound.h"

namespace kith::proxy {

class Authorizer : public std::enable_shared_from_this<Authorizer> {
 public:
  // More questions at a time fail at once: a slow authorizer must not hold every connection.
  static constexpr uint32_t kMaxQuestions = 1024;
  using Done = absl::AnyInvocable<void(extauthz::Verdict)>;

  Authorizer(WorkerState& worker, extauthz::Provider provider);

  const extauthz::Provider& provider() const { return provider_; }
  // Where the mesh says its service is; else the addresses that came with it.
  void Update(const mesh::Snapshot& snapshot);
  // Not configured any more: its connections close after the questions under way.
  void Retire() { port_.Retire(); }
  // Calls `done` once, never before it returns. Destroying the result withdraws the question;
  // inside `done` it goes to Loop::DeleteLater() instead.
  std::unique_ptr<event::Deletable> Ask(const extauthz::Question& question, Done done);

 private:
  class Call;

  WorkerState& worker_;
  const extauthz::Provider provider_;
  OutboundPort port_;
  uint32_t asked_ = 0;  // Questions under way.
};

class Authorizers {
 public:
  explicit Authorizers(WorkerState& worker) : worker_(worker) {}

  // Those that stay as they were keep their connections.
  void Update(const std::vector<extauthz::Provider>& providers, const mesh::Snapshot& snapshot);
  // Null when the mesh configures none of that name.
  Authorizer* Find(absl::string_view name) const;

 private:
  WorkerState& worker_;
  absl::flat_hash_map<std::string, std::shared_ptr<Authorizer>> by_name_;
};

}  // namespace kith::proxy
