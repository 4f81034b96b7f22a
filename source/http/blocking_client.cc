#include "source/http/blocking_client.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "source/base/status.h"
#include "source/http/http1_parser.h"
#include "source/http/serialize.h"

namespace kith::http {
namespace {

using SteadyClock = std::chrono::steady_clock;

class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}
  ~Socket() {
    if (fd_ >= 0) close(fd_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

std::string ErrnoText(int error) {
  std::string text = std::strerror(error);
  text[0] = absl::ascii_tolower(static_cast<unsigned char>(text[0]));
  return text;
}

class Deadline {
 public:
  explicit Deadline(absl::Duration timeout)
      : end_(SteadyClock::now() + absl::ToChronoNanoseconds(std::min(timeout, absl::Hours(24)))) {}

  // Waits until the socket is ready for `events`; DEADLINE_EXCEEDED when time is up.
  absl::Status Wait(int fd, short events) const {
    while (true) {
      const auto left =
          std::chrono::duration_cast<std::chrono::milliseconds>(end_ - SteadyClock::now()).count();
      pollfd poll_fd = {fd, events, 0};
      const int ready = left <= 0 ? 0 : poll(&poll_fd, 1, static_cast<int>(left) + 1);
      if (ready > 0) return absl::OkStatus();
      if (ready == 0) return absl::DeadlineExceededError("timed out; is it overloaded or stopped?");
      if (errno != EINTR) return absl::InternalError(absl::StrCat("poll: ", ErrnoText(errno)));
    }
  }

 private:
  SteadyClock::time_point end_;
};

class Receiver : public Http1Handler {
 public:
  explicit Receiver(size_t max_body) : max_body_(max_body) {}

  void OnResponseHead(const ResponseHead& head) override {
    if (head.is_informational()) return;
    response.status = head.status;
    const Header* type = head.Find("content-type");
    if (type != nullptr) response.content_type = std::string(type->value);
  }
  void OnBody(absl::Span<const uint8_t> bytes) override {
    if (response.body.size() + bytes.size() > max_body_) {
      too_large = true;
      return;
    }
    response.body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  void OnMessageComplete() override { complete = true; }

  BlockingResponse response;
  bool complete = false;
  bool too_large = false;

 private:
  const size_t max_body_;
};

absl::StatusOr<std::string> Render(const BlockingRequestOptions& options) {
  const std::string host =
      options.address.family() == AF_UNIX ? "localhost" : options.address.ToString();
  std::string text;
  if (!WriteRequestLine(options.method, options.path, text) || !WriteHeader("Host", host, text) ||
      !WriteHeader("Connection", "close", text)) {
    return absl::InvalidArgumentError(
        "request: the method or path holds a character that HTTP does not allow");
  }
  if (!options.body.empty()) {
    if (!WriteHeader("Content-Type", options.content_type, text) ||
        !WriteHeader("Content-Length", absl::StrCat(options.body.size()), text)) {
      return absl::InvalidArgumentError("request: the content type is not a header value");
    }
  }
  EndHead(text);
  return text + options.body;
}

absl::Status Connect(const BlockingRequestOptions& options, const Deadline& deadline, int fd) {
  const base::SocketAddress& address = options.address;
  int error = connect(fd, address.get(), address.length()) == 0 ? 0 : errno;
  // A UNIX socket with a full backlog says EAGAIN and cannot be waited for.
  if (error == EINPROGRESS) {
    KITH_RETURN_IF_ERROR(deadline.Wait(fd, POLLOUT));
    socklen_t size = sizeof(error);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  }
  if (error == 0) return absl::OkStatus();
  if (error == EACCES || error == EPERM) {
    return absl::PermissionDeniedError(
        absl::StrCat(ErrnoText(error), "; which user may open that socket?"));
  }
  return absl::UnavailableError(absl::StrCat(ErrnoText(error), "; ", options.hint));
}

absl::Status SendAll(const Deadline& deadline, int fd, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<size_t>(sent));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      KITH_RETURN_IF_ERROR(deadline.Wait(fd, POLLOUT));
    } else if (errno == EPIPE || errno == ECONNRESET) {
      // The server may have answered before it read everything: its answer says why.
      return absl::OkStatus();
    } else if (errno != EINTR) {
      return absl::UnavailableError(absl::StrCat("send: ", ErrnoText(errno)));
    }
  }
  return absl::OkStatus();
}

absl::Status Receive(const Deadline& deadline, int fd, Http1Parser& parser, Receiver& receiver) {
  uint8_t buffer[16 * 1024];
  while (!receiver.complete) {
    const ssize_t size = recv(fd, buffer, sizeof(buffer), 0);
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      KITH_RETURN_IF_ERROR(deadline.Wait(fd, POLLIN));
    } else if (size < 0 && errno != EINTR) {
      return absl::UnavailableError(absl::StrCat("receive: ", ErrnoText(errno)));
    } else if (size == 0) {
      KITH_RETURN_IF_ERROR(parser.FinishOnEof());
    } else if (size > 0) {
      // Bytes after the answer are nobody's: the connection is closed after it.
      absl::StatusOr<size_t> taken =
          parser.Feed(absl::MakeConstSpan(buffer, static_cast<size_t>(size)));
      if (!taken.ok()) return taken.status();
      if (receiver.too_large) return absl::ResourceExhaustedError("the answer exceeds the limit");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<BlockingResponse> BlockingRequest(const BlockingRequestOptions& options) {
  KITH_ASSIGN_OR_RETURN(const std::string request, Render(options));
  const Deadline deadline(options.timeout);
  const std::string where = options.address.ToString();
  const Socket socket(
      ::socket(options.address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (socket.fd() < 0) {
    return absl::InternalError(absl::StrCat("connect ", where, ": ", ErrnoText(errno)));
  }
  KITH_RETURN_IF_ERROR(
      base::Annotate(Connect(options, deadline, socket.fd()), absl::StrCat("connect ", where)));

  Receiver receiver(options.max_body_bytes);
  Http1Parser parser(Http1Parser::Kind::kResponse, receiver);
  ResponseContext context;
  context.to_head = options.method == "HEAD";
  parser.ExpectResponse(context);
  absl::Status status = SendAll(deadline, socket.fd(), request);
  if (status.ok()) status = Receive(deadline, socket.fd(), parser, receiver);
  if (!status.ok()) {
    return base::Annotate(status, absl::StrCat(options.method, " ", options.path, " from ", where));
  }
  return std::move(receiver.response);
}

}  // namespace kith::http
