// Tells when something in a directory may have changed (files written, renamed, removed, symlinks
// swapped as Kubernetes volumes do), not what; its subdirectories are not looked into. Bursts are
// gathered: one call after things are quiet.
// Threads: the loop's. Owns: its uv handles. It may be destroyed inside its callback.
// Errors: Create() when the path is no directory or cannot be watched. If events are lost, or the
// directory itself is removed and made again, a slow poll (comparing names, sizes, inodes and
// times) finds the change all the same.
#pragma once

#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "source/event/loop.h"

namespace kith::event {

class DirectoryWatch {
 public:
  struct Options {
    absl::Duration quiet = absl::Milliseconds(50);     // Waits this long after the last event,
    absl::Duration longest = absl::Milliseconds(500);  // but never longer than this in all.
    absl::Duration poll = absl::Seconds(5);            // Zero switches the slow poll off.
  };
  static absl::StatusOr<std::unique_ptr<DirectoryWatch>> Create(Loop& loop, std::string path,
                                                                Options options,
                                                                absl::AnyInvocable<void()> changed);
  ~DirectoryWatch();
  DirectoryWatch(const DirectoryWatch&) = delete;
  DirectoryWatch& operator=(const DirectoryWatch&) = delete;

 private:
  struct State;
  explicit DirectoryWatch(State* state) : state_(state) {}
  State* state_;
};

}  // namespace kith::event
