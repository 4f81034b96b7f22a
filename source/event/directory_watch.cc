#include "source/event/directory_watch.h"

#include <uv.h>

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "source/base/log.h"
#include "source/event/directory_signature.h"
#include "source/event/timer.h"
#include "source/event/uv_error.h"

namespace kith::event {

// Freed when its handle is closed, which is after every callback that may still be on the stack.
struct DirectoryWatch::State {
  State(Loop& loop, std::string watched, Options chosen, absl::AnyInvocable<void()> callback)
      : path(std::move(watched)),
        options(chosen),
        changed(std::move(callback)),
        quiet(std::in_place, loop, [this] { Fire(); }),
        longest(std::in_place, loop, [this] { Fire(); }),
        poll(std::in_place, loop, [this] { Poll(); }) {
    uv_fs_event_init(loop.uv(), &handle);
    handle.data = this;
  }

  // Puts the watch on the directory that the path names now.
  absl::Status Arm() {
    uv_fs_event_stop(&handle);
    armed = false;
    int error = uv_fs_event_start(
        &handle,
        [](uv_fs_event_t* event, const char*, int, int) noexcept {
          static_cast<State*>(event->data)->Gather();
        },
        path.c_str(), 0);
    if (error != 0) {
      return UvError(error, absl::StrCat("watch directory ", path),
                     error == UV_ENOSPC || error == UV_EMFILE
                         ? "raise fs.inotify.max_user_watches and max_user_instances (sysctl)"
                         : "");
    }
    armed = true;
    return absl::OkStatus();
  }

  void Gather() {
    quiet->Start(options.quiet);
    if (!longest->active()) longest->Start(options.longest);
  }

  void Fire() {
    quiet->Stop();
    longest->Stop();
    // Always put on anew, because the path may name another directory by now, even one that got the
    // inode of the one before.
    Rearm();
    seen = Sign();
    changed();
  }

  void Poll() {
    DirectorySignature now = Sign();
    if (now != seen) {
      seen = std::move(now);
      Gather();
    } else if (!armed && now.inode != 0) {
      Rearm();
    }
  }

  void Rearm() {
    absl::Status status = Arm();
    // That it is missing is for those who read it to report.
    if (!status.ok() && !absl::IsNotFound(status)) {
      base::Log(base::LogLevel::kWarning, "watch", status.message());
    }
  }

  // Of no directory, if there is none.
  DirectorySignature Sign() const { return SignDirectory(path).value_or(DirectorySignature()); }

  uv_fs_event_t handle;
  std::string path;
  Options options;
  absl::AnyInvocable<void()> changed;
  // Empty once the watch is destroyed.
  std::optional<Timer> quiet;
  std::optional<Timer> longest;
  std::optional<Timer> poll;
  DirectorySignature seen;
  bool armed = false;
};

absl::StatusOr<std::unique_ptr<DirectoryWatch>> DirectoryWatch::Create(
    Loop& loop, std::string path, Options options, absl::AnyInvocable<void()> changed) {
  absl::StatusOr<DirectorySignature> first = SignDirectory(path);
  if (!first.ok()) return first.status();
  auto watch = std::unique_ptr<DirectoryWatch>(
      new DirectoryWatch(new State(loop, std::move(path), options, std::move(changed))));
  State& state = *watch->state_;
  if (absl::Status status = state.Arm(); !status.ok()) return status;
  // The one from before the watch: what changed in between is found by the first poll.
  state.seen = *std::move(first);
  if (options.poll > absl::ZeroDuration()) state.poll->StartRepeating(options.poll);
  return watch;
}

DirectoryWatch::~DirectoryWatch() {
  state_->quiet.reset();
  state_->longest.reset();
  state_->poll.reset();
  uv_close(reinterpret_cast<uv_handle_t*>(&state_->handle),
           [](uv_handle_t* handle) noexcept { delete static_cast<State*>(handle->data); });
}

}  // namespace kith::event
