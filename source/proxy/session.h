// One accepted connection, from its first byte to its end, and the set of all of a worker.
// Threads: the worker's loop. Owns: a session its streams; the set its sessions.
// Errors: a session observes its own and ends.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "source/event/loop.h"

namespace kith::proxy {

class Session : public event::Deletable {
 public:
  // Ends when idle, now or after what is in flight: what others have opened.
  virtual void StartDraining() {}
  // The policies, the modes or our certificate have changed: ends if they no longer allow it.
  virtual void OnConfigChanged() {}
  // Ends now, in the middle of what it carries.
  virtual void CutOff(const absl::Status& status) = 0;
};

class SessionSet {
 public:
  explicit SessionSet(event::Loop& loop) : loop_(loop) {}

  // Adds a session and lets it begin; it may end at once.
  template <typename SessionType>
  void Start(std::unique_ptr<SessionType> session) {
    SessionType* started = session.get();
    sessions_.emplace(started, std::move(session));
    started->Start();
  }
  // Called by the session itself, as the last thing it does.
  void Remove(Session& session);
  size_t size() const { return sessions_.size(); }

  void StartDraining();
  void OnConfigChanged();
  void CutOff(const absl::Status& status);

 private:
  template <typename Visit>
  void ForEach(Visit visit);

  event::Loop& loop_;
  absl::flat_hash_map<Session*, std::unique_ptr<Session>> sessions_;
};

}  // namespace kith::proxy
