#include "source/https/https_server.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "source/base/log.h"
#include "source/base/status.h"
#include "source/http/http1_parser.h"
#include "source/http/serialize.h"

namespace kith::https {
namespace {

constexpr int kBacklog = 128;

absl::StatusOr<int> Listen(const base::SocketAddress& address) {
  const int fd = socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  if (fd >= 0) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (fd >= 0 && bind(fd, address.get(), address.length()) == 0 && listen(fd, kBacklog) == 0) {
    return fd;
  }
  absl::Status status = absl::UnavailableError(
      absl::StrCat("listen on ", address.ToString(), " for webhooks: ", std::strerror(errno)));
  if (fd >= 0) close(fd);
  return status;
}

base::SocketAddress LocalOf(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size);
  return base::SocketAddress::From(reinterpret_cast<const sockaddr*>(&storage));
}

// One request, as far as it has arrived.
class Request final : public http::Http1Handler {
 public:
  explicit Request(size_t max_bytes) : max_bytes_(max_bytes) {}
  void OnRequestHead(const http::RequestHead& head) override {
    question.method = std::string(head.method);
    question.path = std::string(head.path.substr(0, head.path.find('?')));
    expects_continue = head.expect_continue;
    too_large = head.framing.length > max_bytes_;
  }
  void OnBody(absl::Span<const uint8_t> bytes) override {
    too_large |= question.body.size() + bytes.size() > max_bytes_;
    if (too_large) return;
    question.body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  void OnMessageComplete() override { complete = true; }

  HttpsQuestion question;
  bool expects_continue = false;
  bool complete = false;
  bool too_large = false;

 private:
  const size_t max_bytes_;
};

std::string Render(const HttpsAnswer& answer) {
  std::string text;
  const bool sound =
      http::WriteStatusLine(answer.status, http::ReasonPhrase(answer.status), text) &&
      http::WriteHeader("Content-Type", answer.content_type, text) &&
      http::WriteHeader("Content-Length", absl::StrCat(answer.body.size()), text) &&
      http::WriteHeader("Connection", "close", text);
  if (!sound) return "";
  http::EndHead(text);
  return absl::StrCat(text, answer.body);
}

}  // namespace

struct HttpsServer::State {
  State(Options options_in, Handler handler_in)
      : options(std::move(options_in)), handler(std::move(handler_in)), tls(options.tls) {}

  void Accept() {
    while (true) {
      pollfd ready[2] = {{listener, POLLIN, 0}, {stop, POLLIN, 0}};
      if (poll(ready, 2, -1) < 0 && errno != EINTR) return;
      if (ready[1].revents != 0) return;
      const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) {
        // Without descriptors the listener stays ready: a pause keeps this from spinning.
        if (errno == EMFILE || errno == ENFILE) absl::SleepFor(absl::Milliseconds(100));
        continue;
      }
      const std::lock_guard<std::mutex> lock(mutex);
      if (waiting.size() >= options.max_waiting) {
        close(fd);
        continue;
      }
      waiting.push_back(fd);
      changed.notify_one();
    }
  }

  void Work() {
    while (true) {
      int fd = -1;
      std::shared_ptr<const ServerTls> now;
      {
        std::unique_lock<std::mutex> lock(mutex);
        changed.wait(lock, [this] { return stopping || !waiting.empty(); });
        if (stopping) return;
        fd = waiting.front();
        waiting.pop_front();
        now = tls;
      }
      TlsSocket socket(fd, absl::Now() + options.timeout);
      if (const absl::Status ended = Serve(socket, std::move(now)); !ended.ok()) {
        base::Log(base::LogLevel::kDebug, "webhook", "a connection failed",
                  {{"error", std::string(ended.message())}});
      }
    }
  }

  absl::Status Serve(TlsSocket& socket, std::shared_ptr<const ServerTls> now) {
    KITH_RETURN_IF_ERROR(socket.Accept(std::move(now)));
    Request request(options.max_body_bytes);
    http::Http1Parser parser(http::Http1Parser::Kind::kRequest, request);
    std::vector<uint8_t> buffer(16 * 1024);
    while (!request.complete) {
      KITH_ASSIGN_OR_RETURN(const size_t size, socket.Receive(absl::MakeSpan(buffer)));
      if (size == 0) return absl::OkStatus();
      KITH_RETURN_IF_ERROR(parser.Feed(absl::MakeConstSpan(buffer.data(), size)).status());
      if (request.too_large) return Answer(socket, {.status = 413, .body = "{}"});
      if (std::exchange(request.expects_continue, false)) {
        KITH_RETURN_IF_ERROR(socket.Send("HTTP/1.1 100 Continue\r\n\r\n"));
      }
    }
    return Answer(socket, handler(request.question));
  }

  static absl::Status Answer(TlsSocket& socket, const HttpsAnswer& answer) {
    KITH_RETURN_IF_ERROR(socket.Send(Render(answer)));
    socket.End();
    return absl::OkStatus();
  }

  void Stop() {
    {
      const std::lock_guard<std::mutex> lock(mutex);
      stopping = true;
      changed.notify_all();
    }
    const uint64_t one = 1;
    (void)!write(stop, &one, sizeof one);
    for (std::thread& thread : threads) thread.join();
    for (const int fd : waiting) close(fd);
    close(listener);
    close(stop);
  }

  const Options options;
  const Handler handler;
  int listener = -1;
  int stop = -1;
  base::SocketAddress local;
  std::mutex mutex;  // Guards what follows.
  std::condition_variable changed;
  std::shared_ptr<const ServerTls> tls;
  std::deque<int> waiting;
  bool stopping = false;
  std::vector<std::thread> threads;
};

HttpsServer::HttpsServer(std::unique_ptr<State> state) : state_(std::move(state)) {}

HttpsServer::~HttpsServer() { state_->Stop(); }

absl::StatusOr<std::unique_ptr<HttpsServer>> HttpsServer::Create(Options options, Handler handler) {
  auto state = std::make_unique<State>(std::move(options), std::move(handler));
  KITH_ASSIGN_OR_RETURN(state->listener, Listen(state->options.address));
  state->local = LocalOf(state->listener);
  state->stop = eventfd(0, EFD_CLOEXEC);
  State& shared = *state;
  state->threads.emplace_back([&shared] { shared.Accept(); });
  for (size_t i = 0; i < shared.options.threads; ++i) {
    state->threads.emplace_back([&shared] { shared.Work(); });
  }
  return std::unique_ptr<HttpsServer>(new HttpsServer(std::move(state)));
}

void HttpsServer::SetTls(std::shared_ptr<const ServerTls> tls) {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  state_->tls = std::move(tls);
}

const base::SocketAddress& HttpsServer::local() const { return state_->local; }

}  // namespace kith::https
