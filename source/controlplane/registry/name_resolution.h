// Gives the endpoints of ServiceEntries with resolution DNS their addresses: looks every name up
// when a document first has it and again from time to time, and hands out the state with the
// addresses filled in.
//
// A name that cannot be looked up keeps the addresses it had; one that never had any has no
// endpoint. What a name resolves to counts as the resolver of the control plane's machine sees it.
//
// Threads: the loop's. Owns: the lookups and what they found; of names that are in the documents
// only, so that documents bound it. Errors: logged when they begin and when they are over.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "source/controlplane/registry/mesh_state.h"
#include "source/event/loop.h"
#include "source/event/timer.h"

namespace kith::controlplane {

class NameResolution {
 public:
  using Addresses = absl::StatusOr<std::vector<std::string>>;  // Of IP, sorted.
  using Answer = absl::AnyInvocable<void(Addresses)>;

  struct Options {
    // Asks for a name's addresses; calls `answer` later, on the loop, or never again.
    std::function<void(const std::string& name, Answer answer)> resolve;
    // getaddrinfo() tells of no time to live: all names are asked for that often.
    absl::Duration interval = absl::Seconds(30);
    absl::Duration retry = absl::Seconds(5);  // While a name could not be looked up.
    std::function<void()> changed;            // state() has become another.
  };
  NameResolution(event::Loop& loop, Options options);

  // New documents; state() has what is known of their names at once. Does not call `changed`.
  void SetState(std::shared_ptr<const MeshState> state);
  // Names replaced by their addresses.
  const std::shared_ptr<const MeshState>& state() const { return resolved_; }

 private:
  struct Name {
    std::vector<std::string> addresses;
    std::string error;  // Of the last lookup; empty after a good one.
    bool asked = false;
  };

  void Ask(const std::string& name);
  void OnAnswer(const std::string& name, Addresses found);
  void AskAgain();
  void Fill();

  const Options options_;
  std::shared_ptr<const MeshState> state_;
  std::shared_ptr<const MeshState> resolved_;
  std::map<std::string, Name> names_;
  event::Timer timer_;
};

}  // namespace kith::controlplane
