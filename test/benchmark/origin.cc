// The application behind every pair: answers HTTP/1.1 GETs ("/" with 104 bytes, "/1m" with 1 MiB),
// on two ports, and echoes opaque TCP on another. One thread; ends with its standard input.
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "test/benchmark/sockets.h"

namespace {

using kith::benchmark::ChangeWatch;

constexpr size_t kSmall = 104;
constexpr size_t kLarge = 1024 * 1024;

std::string Answer(size_t body_bytes) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body_bytes) +
         "\r\nContent-Type: text/plain\r\n\r\n" + std::string(body_bytes, 'x');
}

struct Connection {
  bool echo = false;
  std::string input;     // A request's head that has not come whole.
  std::string output;    // What an echo could not write yet.
  std::string_view due;  // The rest of the answer or of the output.
  bool blocked = false;  // Waits for the peer to read.
};

class Origin {
 public:
  Origin(uint16_t http, uint16_t echo, uint16_t bulk) : epoll_(epoll_create1(0)) {
    http_ = kith::benchmark::Listen(epoll_, http);
    echo_ = kith::benchmark::Listen(epoll_, echo);
    bulk_ = kith::benchmark::Listen(epoll_, bulk);
    kith::benchmark::Watch(epoll_, STDIN_FILENO, EPOLLIN);
  }

  void Run() {
    epoll_event events[256];
    while (true) {
      const int count = epoll_wait(epoll_, events, 256, -1);
      for (int i = 0; i < count; ++i) {
        const int descriptor = events[i].data.fd;
        if (descriptor == STDIN_FILENO) return;
        if (descriptor == http_ || descriptor == echo_ || descriptor == bulk_) {
          Accept(descriptor);
        } else if (!Serve(descriptor, *connections_[descriptor])) {
          connections_.erase(descriptor);
          close(descriptor);
        }
      }
    }
  }

 private:
  void Accept(int listener) {
    while (true) {
      const int descriptor = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK);
      if (descriptor < 0) return;
      auto connection = std::make_unique<Connection>();
      connection->echo = listener == echo_;
      connections_[descriptor] = std::move(connection);
      kith::benchmark::Watch(epoll_, descriptor, EPOLLIN);
    }
  }

  // False when the connection is to be closed.
  bool Serve(int descriptor, Connection& connection) {
    if (!connection.due.empty()) return Flush(descriptor, connection);
    const ssize_t got = recv(descriptor, buffer_, sizeof buffer_, 0);
    if (got < 0) return errno == EAGAIN;
    if (got == 0) return false;
    if (connection.echo) {
      connection.output.assign(buffer_, static_cast<size_t>(got));
      connection.due = connection.output;
      return Flush(descriptor, connection);
    }
    connection.input.append(buffer_, static_cast<size_t>(got));
    while (true) {
      const size_t end = connection.input.find("\r\n\r\n");
      if (end == std::string::npos) return true;
      connection.due = connection.input.rfind("GET /1m ", 0) == 0 ? large_ : small_;
      connection.input.erase(0, end + 4);
      if (!Flush(descriptor, connection)) return false;
      if (!connection.due.empty()) return true;
    }
  }

  bool Flush(int descriptor, Connection& connection) {
    while (!connection.due.empty()) {
      const ssize_t sent =
          send(descriptor, connection.due.data(), connection.due.size(), MSG_NOSIGNAL);
      if (sent < 0) {
        if (errno != EAGAIN) return false;
        if (!connection.blocked) ChangeWatch(epoll_, descriptor, EPOLLOUT);
        connection.blocked = true;
        return true;
      }
      connection.due.remove_prefix(static_cast<size_t>(sent));
    }
    if (connection.blocked) ChangeWatch(epoll_, descriptor, EPOLLIN);
    connection.blocked = false;
    return true;
  }

  const int epoll_;
  int http_ = -1, echo_ = -1, bulk_ = -1;
  const std::string small_ = Answer(kSmall), large_ = Answer(kLarge);
  std::unordered_map<int, std::unique_ptr<Connection>> connections_;
  char buffer_[65536];
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: origin HTTP_PORT ECHO_PORT BULK_HTTP_PORT\n");
    return 64;
  }
  using kith::benchmark::ParsePort;
  Origin(ParsePort(argv[1]), ParsePort(argv[2]), ParsePort(argv[3])).Run();
  return 0;
}
