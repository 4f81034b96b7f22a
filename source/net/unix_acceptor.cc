#include "source/net/unix_acceptor.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "source/base/status.h"
#include "source/event/timer.h"
#include "source/event/uv_error.h"
#include "source/net/listening_socket.h"

namespace kith::net {
namespace {

constexpr absl::Duration kPause = absl::Milliseconds(100);

}  // namespace

struct UnixAcceptor::State {
  State(event::Loop& loop, std::string path_in, int descriptor_in, AcceptCallback callback)
      : path(std::move(path_in)),
        descriptor(descriptor_in),
        accepted(std::move(callback)),
        pause(std::make_unique<event::Timer>(loop, [this] { Listen(); })) {
    uv_poll_init(loop.uv(), &poll, descriptor);
    poll.data = this;
    struct stat file;
    if (lstat(path.c_str(), &file) == 0) inode = file.st_ino;
    Listen();
  }
  ~State() { close(descriptor); }

  void Listen() {
    uv_poll_start(&poll, UV_READABLE, [](uv_poll_t* handle, int, int) noexcept {
      static_cast<State*>(handle->data)->Accept();
    });
  }

  void Accept() {
    while (true) {
      const int connection = accept4(descriptor, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (connection >= 0) {
        accepted(connection);
        continue;
      }
      if (errno == EINTR || errno == ECONNABORTED) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return;
      // Out of descriptors or memory: the listening socket stays readable, so asking again at once
      // would spin.
      uv_poll_stop(&poll);
      pause->Start(kPause);
      return;
    }
  }

  uv_poll_t poll;
  const std::string path;
  const int descriptor;
  ino_t inode = 0;
  AcceptCallback accepted;
  std::unique_ptr<event::Timer> pause;
};

absl::StatusOr<std::unique_ptr<UnixAcceptor>> UnixAcceptor::Create(event::Loop& loop,
                                                                   const Options& options,
                                                                   AcceptCallback accepted) {
  Listener::Options listen;
  KITH_ASSIGN_OR_RETURN(listen.address,
                        base::SocketAddress::Parse(absl::StrCat("unix:", options.path)));
  listen.unix_mode = options.mode;
  listen.backlog = options.backlog;
  KITH_ASSIGN_OR_RETURN(const int descriptor, OpenListeningSocket(listen));
  return std::unique_ptr<UnixAcceptor>(
      new UnixAcceptor(new State(loop, options.path, descriptor, std::move(accepted))));
}

UnixAcceptor::~UnixAcceptor() {
  state_->pause.reset();
  // Another process may have put its own socket there by now.
  struct stat file;
  if (lstat(state_->path.c_str(), &file) == 0 && file.st_ino == state_->inode) {
    unlink(state_->path.c_str());
  }
  uv_close(reinterpret_cast<uv_handle_t*>(&state_->poll),
           [](uv_handle_t* handle) noexcept { delete static_cast<State*>(handle->data); });
}

}  // namespace kith::net
