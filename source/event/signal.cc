#include "source/event/signal.h"

#include <uv.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "source/event/uv_error.h"

namespace kith::event {

struct Signal::State {
  uv_signal_t handle;
  absl::AnyInvocable<void()> callback;

  static void OnSignal(uv_signal_t* handle, int) noexcept {
    static_cast<State*>(handle->data)->callback();
  }
};

absl::StatusOr<std::unique_ptr<Signal>> Signal::Create(Loop& loop, int signal_number,
                                                       absl::AnyInvocable<void()> callback) {
  std::string attempted = absl::StrCat("watch for signal ", signal_number);
  auto state = std::make_unique<State>();
  state->callback = std::move(callback);
  if (int error = uv_signal_init(loop.uv(), &state->handle); error != 0) {
    return UvError(error, attempted);
  }
  state->handle.data = state.get();
  // From here on the handle is closed before its memory is freed.
  auto signal = std::unique_ptr<Signal>(new Signal(state.release()));
  int error = uv_signal_start(&signal->state_->handle, &State::OnSignal, signal_number);
  if (error != 0) return UvError(error, attempted, "it must be one that can be caught");
  return signal;
}

Signal::~Signal() {
  uv_close(reinterpret_cast<uv_handle_t*>(&state_->handle),
           [](uv_handle_t* handle) noexcept { delete static_cast<State*>(handle->data); });
}

}  // namespace kith::event
