#include "source/net/listener.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include <cerrno>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "source/base/log.h"
#include "source/event/timer.h"
#include "source/event/uv_error.h"
#include "source/net/listening_socket.h"
#include "source/net/original_destination.h"
#include "source/net/uv_socket.h"

namespace kith::net {
namespace {

// Connections taken before the other sockets of the loop have their turn.
constexpr int kAcceptsPerTurn = 16;
constexpr absl::Duration kPause = absl::Milliseconds(100);
constexpr uint64_t kLogIntervalMs = 1000;

// The connection is lost, the listener is not: the next one may be taken at once.
bool IsOfOneConnection(int error) {
  switch (error) {
    case ECONNABORTED:
    case EINTR:
    case EPERM:
    case EPROTO:
    case ENOPROTOOPT:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENONET:
    case EOPNOTSUPP:
      return true;
    default:
      return false;
  }
}

}  // namespace

// Freed when its handle is closed. libuv's own listening is not used, because it throws connections
// away without a word when descriptors run out.
struct Listener::State {
  State(event::Loop& on, int socket, AcceptCallback callback)
      : loop(on), descriptor(socket), accepted(std::move(callback)) {
    poll.data = this;
  }

  static void OnReadable(uv_poll_t* handle, int error, int) noexcept {
    auto& state = *static_cast<State*>(handle->data);
    if (error != 0) return state.Pause(-error);
    state.Accept();
  }

  void Poll() { uv_poll_start(&poll, UV_READABLE, &OnReadable); }

  void Accept() {
    for (int i = 0; i < kAcceptsPerTurn && !closed; ++i) {
      sockaddr_storage address = {};
      socklen_t length = sizeof address;
      int connection = accept4(descriptor, reinterpret_cast<sockaddr*>(&address), &length,
                               SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (connection >= 0) {
        Deliver(connection, base::SocketAddress::From(reinterpret_cast<const sockaddr*>(&address)));
      } else if (errno == EAGAIN) {
        return;
      } else if (IsOfOneConnection(errno)) {
        Count(errno);
      } else {
        return Pause(errno);
      }
    }
  }

  void Deliver(int connection, const base::SocketAddress& remote) {
    UvSocket::Ptr socket = UvSocket::Create(loop, local.family());
    if (int error = socket->Open(connection, remote); error != 0) {
      close(connection);
      return Count(-error);
    }
    if (captured) {
      const base::SocketAddress original = OriginalDestination(connection, remote.family());
      if (original.family() != AF_UNSPEC) socket->set_local(original);
    }
    accepted(MakeSocketStream(std::move(socket)));
  }

  // Whoever waits to be accepted goes on waiting; without this the loop would spin.
  void Pause(int error) {
    Count(error);
    uv_poll_stop(&poll);
    pause.emplace(loop, [this] { Poll(); });
    pause->Start(kPause);
  }

  void Count(int error) {
    ++errors;
    if (logged_ms != 0 && loop.NowMs() - logged_ms < kLogIntervalMs) return;
    logged_ms = loop.NowMs();
    absl::Status status = event::UvError(-error, absl::StrCat("accept on ", local.ToString()),
                                         error == EMFILE || error == ENFILE
                                             ? "is the limit of open files (ulimit -n) high enough?"
                                             : "");
    base::Log(base::LogLevel::kWarning, "listener", status.message(),
              {{"errors", absl::StrCat(errors)}});
  }

  event::Loop& loop;
  int descriptor;
  AcceptCallback accepted;
  bool captured = false;
  uv_poll_t poll;
  std::optional<event::Timer> pause;
  base::SocketAddress local;
  dev_t device = 0;  // Of the UNIX socket's file, so that another's in its place is left alone.
  ino_t inode = 0;
  uint64_t errors = 0;
  uint64_t logged_ms = 0;
  bool closed = false;
};

absl::StatusOr<std::unique_ptr<Listener>> Listener::Create(event::Loop& loop,
                                                           const Options& options,
                                                           AcceptCallback accepted) {
  absl::StatusOr<int> descriptor = OpenListeningSocket(options);
  if (!descriptor.ok()) return descriptor.status();
  auto state = std::make_unique<State>(loop, *descriptor, std::move(accepted));
  if (int error = uv_poll_init(loop.uv(), &state->poll, *descriptor); error != 0) {
    close(*descriptor);
    return event::UvError(error, absl::StrCat("listen on ", options.address.ToString()));
  }
  sockaddr_storage address = {};
  socklen_t length = sizeof address;
  getsockname(*descriptor, reinterpret_cast<sockaddr*>(&address), &length);
  state->local = base::SocketAddress::From(reinterpret_cast<const sockaddr*>(&address));
  struct stat file;
  if (std::string path = state->local.UnixPath();
      !path.empty() && lstat(path.c_str(), &file) == 0) {
    state->device = file.st_dev;
    state->inode = file.st_ino;
  }
  state->captured = options.captured;
  state->Poll();
  return std::unique_ptr<Listener>(new Listener(state.release()));
}

Listener::~Listener() {
  state_->closed = true;
  state_->pause.reset();
  struct stat file;
  if (std::string path = state_->local.UnixPath();
      !path.empty() && lstat(path.c_str(), &file) == 0 && file.st_dev == state_->device &&
      file.st_ino == state_->inode) {
    unlink(path.c_str());
  }
  uv_close(reinterpret_cast<uv_handle_t*>(&state_->poll),
           [](uv_handle_t* handle) noexcept { delete static_cast<State*>(handle->data); });
  close(state_->descriptor);  // libuv no longer looks at it; the port is free at once.
}

const base::SocketAddress& Listener::local() const { return state_->local; }

uint64_t Listener::accept_errors() const { return state_->errors; }

}  // namespace kith::net
