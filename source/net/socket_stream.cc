#include "source/net/socket_stream.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <cerrno>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "source/event/timer.h"
#include "source/event/uv_error.h"
#include "source/net/uv_socket.h"

namespace kith::net {
namespace {

using ConnectCallback = absl::AnyInvocable<void(absl::StatusOr<std::unique_ptr<Stream>>)>;

constexpr unsigned kKeepAliveSeconds = 60;

// Freed when its Connector is gone and libuv has answered.
class Attempt {
 public:
  Attempt(event::Loop& loop, const base::SocketAddress& address, absl::Duration timeout,
          absl::string_view hint, ConnectCallback done, const base::SocketAddress& source)
      : address_(address),
        source_(source),
        timeout_(timeout),
        hint_(hint),
        done_(std::move(done)),
        socket_(UvSocket::Create(loop, address.family())) {
    request_.data = this;
    int error = Start();
    pending_ = error == 0;
    timer_.emplace(loop, [this, error] { OnTimer(error); });
    // What fails at once is told in the next turn, so that the caller has its Connector by then.
    timer_->Start(pending_ ? timeout : absl::ZeroDuration());
  }

  void Abandon() {
    done_ = nullptr;
    timer_.reset();
    socket_.reset();
    if (!pending_) {
      delete this;
    } else {
      abandoned_ = true;
    }
  }

 private:
  int Start() {
    if (socket_->is_pipe()) {
      uv_pipe_connect(&request_, socket_->pipe(), address_.UnixPath().c_str(), &OnConnect);
      return 0;
    }
    if (source_.family() != AF_UNSPEC) {
      if (int error = BindSource(); error != 0) return error;
    }
    // Noted now, applied when libuv makes the socket.
    uv_tcp_nodelay(socket_->tcp(), 1);
    return uv_tcp_connect(&request_, socket_->tcp(), address_.get(), &OnConnect);
  }

  // The port is left for connect() to choose, which can then use one number towards many
  // destinations.
  int BindSource() {
    const int descriptor = socket(source_.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return -errno;
    const int on = 1;
    setsockopt(descriptor, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    int error = bind(descriptor, source_.get(), source_.length()) == 0 ? 0 : -errno;
    if (error == 0) error = uv_tcp_open(socket_->tcp(), descriptor);
    if (error != 0) close(descriptor);
    return error;
  }

  static void OnConnect(uv_connect_t* request, int error) noexcept {
    auto* attempt = static_cast<Attempt*>(request->data);
    attempt->pending_ = false;
    if (attempt->abandoned_) {
      delete attempt;
    } else if (attempt->socket_ != nullptr) {  // Else it has timed out.
      attempt->OnAnswer(error);
    }
  }

  void OnTimer(int error) {
    if (error != 0) return OnAnswer(error);
    Finish(
        absl::DeadlineExceededError(Message("timed out after " + absl::FormatDuration(timeout_))));
  }

  void OnAnswer(int error) {
    if (error != 0) return Finish(Refusal(error));
    if (!socket_->is_pipe()) uv_tcp_keepalive(socket_->tcp(), 1, kKeepAliveSeconds);
    socket_->SetConnected(address_);
    // A free port of this machine's ephemeral range can be connected to itself.
    if (!socket_->is_pipe() && socket_->AskLocal() == address_)
      return Finish(Refusal(UV_ECONNREFUSED));
    Finish(MakeSocketStream(std::move(socket_)));
  }

  // Inside the callback the Connector may be destroyed, and this object with it.
  void Finish(absl::StatusOr<std::unique_ptr<Stream>> result) {
    timer_.reset();
    socket_.reset();
    ConnectCallback done = std::exchange(done_, nullptr);
    done(std::move(result));
  }

  absl::Status Refusal(int error) const {
    absl::StatusCode code = error == UV_ETIMEDOUT ? absl::StatusCode::kDeadlineExceeded
                                                  : absl::StatusCode::kUnavailable;
    return absl::Status(code, Message(event::UvReason(error)));
  }

  std::string Message(absl::string_view reason) const {
    return absl::StrCat("connect ", address_.ToString(), ": ", reason, hint_.empty() ? "" : "; ",
                        hint_);
  }

  base::SocketAddress address_;
  base::SocketAddress source_;
  absl::Duration timeout_;
  std::string hint_;
  ConnectCallback done_;
  uv_connect_t request_;
  UvSocket::Ptr socket_;  // Null once the callback was given its result.
  std::optional<event::Timer> timer_;
  bool pending_ = false;  // libuv will still call OnConnect().
  bool abandoned_ = false;
};

class AttemptConnector final : public Connector {
 public:
  explicit AttemptConnector(Attempt* attempt) : attempt_(attempt) {}
  ~AttemptConnector() override { attempt_->Abandon(); }

 private:
  Attempt* attempt_;
};

}  // namespace

std::unique_ptr<Connector> Connect(event::Loop& loop, const base::SocketAddress& address,
                                   absl::Duration timeout, absl::string_view hint,
                                   ConnectCallback done, const base::SocketAddress& source) {
  return std::make_unique<AttemptConnector>(
      new Attempt(loop, address, timeout, hint, std::move(done), source));
}

}  // namespace kith::net
