#include "source/event/timer.h"

#include <uv.h>

#include <algorithm>
#include <utility>

#include "source/base/check.h"

namespace kith::event {
namespace {

uint64_t CeilMilliseconds(absl::Duration delay) {
  if (delay <= absl::ZeroDuration()) return 0;
  return static_cast<uint64_t>(absl::ToInt64Milliseconds(absl::Ceil(delay, absl::Milliseconds(1))));
}

}  // namespace

struct Timer::State {
  uv_timer_t handle;
  // Kept until the handle is closed, because it may be running when its timer is destroyed.
  absl::AnyInvocable<void()> callback;

  static void OnTimer(uv_timer_t* handle) noexcept {
    static_cast<State*>(handle->data)->callback();
  }

  void Start(uint64_t delay, uint64_t repeat) {
    // A long turn, or none yet, leaves the loop's idea of now behind; the timer would fire early.
    uv_update_time(handle.loop);
    int error = uv_timer_start(&handle, &State::OnTimer, delay, repeat);
    KITH_CHECK(error == 0, "a timer is started while it is destroyed");
  }
};

Timer::Timer(Loop& loop, absl::AnyInvocable<void()> callback) : state_(new State) {
  state_->callback = std::move(callback);
  uv_timer_init(loop.uv(), &state_->handle);
  state_->handle.data = state_;
}

Timer::~Timer() {
  uv_close(reinterpret_cast<uv_handle_t*>(&state_->handle),
           [](uv_handle_t* handle) noexcept { delete static_cast<State*>(handle->data); });
}

void Timer::Start(absl::Duration delay) { state_->Start(CeilMilliseconds(delay), 0); }

void Timer::StartRepeating(absl::Duration interval) {
  uint64_t milliseconds = std::max<uint64_t>(CeilMilliseconds(interval), 1);
  state_->Start(milliseconds, milliseconds);
}

void Timer::Stop() { uv_timer_stop(&state_->handle); }

bool Timer::active() const {
  return uv_is_active(reinterpret_cast<const uv_handle_t*>(&state_->handle)) != 0;
}

}  // namespace kith::event
