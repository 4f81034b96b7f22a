// Keeps the keys that RequestAuthentications name by URL, or by their issuer's discovery document:
// fetched here, checked, refreshed, and put into the documents that sidecars receive. A fetch that
// fails keeps the keys of before for max_age; then, or without any, the issuer's tokens are
// refused: nothing stands in for keys. Threads: the loop's; one thread of its own fetches. Owns:
// that thread; the destructor waits for the fetch at hand. Errors: logged, counted by
// Options::count, and seen at once by everybody whose tokens are refused.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "source/base/clock.h"
#include "source/controlplane/keys/fetch_thread.h"
#include "source/controlplane/registry/mesh_state.h"
#include "source/event/loop.h"
#include "source/event/timer.h"

namespace kith::controlplane {

class KeyKeeper {
 public:
  struct Options {
    // Blocks; called on the keeper's thread.
    std::function<absl::StatusOr<std::string>(const std::string& url, absl::Duration timeout)>
        fetch;
    absl::Duration refresh = absl::Minutes(5);
    absl::Duration retry = absl::Seconds(10);
    absl::Duration again = absl::Seconds(10);  // Between a fetch and one that AskAgain() brings.
    absl::Duration max_age = absl::Hours(24);
    absl::Duration check = absl::Seconds(1);  // How often it looks what is due.
    std::function<void(bool fetched)> count = [](bool) {};
    const base::Clock* clock = &base::Clock::System();
  };
  // `changed` is called when Resolve() would give another answer.
  KeyKeeper(event::Loop& loop, Options options, std::function<void()> changed);
  KeyKeeper(const KeyKeeper&) = delete;
  KeyKeeper& operator=(const KeyKeeper&) = delete;

  // From now on the keys that `state` names are kept, and no others.
  void SetState(std::shared_ptr<const MeshState> state);
  // Those of `uri` may have changed: fetched at once, unless that was done just now.
  void AskAgain(const std::string& uri);
  // The state with the keys that are known now.
  std::shared_ptr<const MeshState> Resolve() const;

 private:
  // What is asked for: the URL, or the issuer whose discovery document tells it.
  struct Source {
    std::string uri;
    std::string issuer;
    absl::Duration timeout = absl::Seconds(5);

    bool operator<(const Source& other) const;
  };
  struct Kept {
    std::string keys;  // Empty: none.
    absl::Time fetched = absl::InfinitePast();
    absl::Time due = absl::InfinitePast();
    absl::Time tried = absl::InfinitePast();
    bool asked = false;   // A fetch is on its way.
    std::string problem;  // Of the last one; logged once.
  };

  static Source SourceOf(const security::v1::JWTRule& rule);
  void Check();
  void Take(const Source& source, absl::StatusOr<std::string> text);
  absl::StatusOr<std::string> Fetch(const Source& source) const;

  event::Loop& loop_;
  const Options options_;
  const std::function<void()> changed_;
  std::shared_ptr<const MeshState> state_;
  std::map<Source, Kept> kept_;
  event::Timer timer_;
  FetchThread fetches_;  // Last: what it runs uses the options.
};

}  // namespace kith::controlplane
