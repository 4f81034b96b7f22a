// Load over opaque TCP that wrk cannot make, towards a port behind which somebody echoes:
//
//   load pingpong PORT CONNECTIONS SECONDS   each sends 104 bytes, awaits them, sends again
//   load connect  PORT CONNECTIONS SECONDS   the same, on a new connection every time
//   load idle     PORT CONNECTIONS           opens all, one exchange on each, says so, and holds
//                                            them until its standard input ends
//
// Prints "exchanges N seconds S failed F"; an exchange is counted when its last byte is back.
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <unordered_map>

#include "test/benchmark/sockets.h"

namespace {

using kith::benchmark::NowMicroseconds;

constexpr size_t kMessage = 104;
constexpr uint64_t kOpenAtOnce = 128;  // Of `idle`, so that no listener's backlog overflows.

enum class Kind : uint8_t { kPingPong, kConnect, kIdle };

struct Options {
  Kind kind = Kind::kPingPong;
  uint16_t port = 0;
  uint64_t connections = 0;
  uint64_t seconds = 0;
};

class Load {
 public:
  explicit Load(const Options& options) : options_(options), epoll_(epoll_create1(0)) {
    memset(message_, 'x', sizeof message_);
  }

  void Run() {
    const uint64_t begin = NowMicroseconds();
    const uint64_t end = begin + options_.seconds * 1000000;
    for (uint64_t i = 0; i < AtOnce(); ++i) Open();
    while (options_.kind == Kind::kIdle ? exchanges_ + failed_ < options_.connections
                                        : NowMicroseconds() < end) {
      Turn();
    }
    const double seconds = static_cast<double>(NowMicroseconds() - begin) / 1e6;
    printf("exchanges %llu seconds %.3f failed %llu\n", static_cast<unsigned long long>(exchanges_),
           seconds, static_cast<unsigned long long>(failed_));
    fflush(stdout);
    char byte;
    while (options_.kind == Kind::kIdle && read(STDIN_FILENO, &byte, 1) > 0) {
    }
  }

 private:
  uint64_t AtOnce() const {
    return options_.kind == Kind::kIdle && options_.connections > kOpenAtOnce
               ? kOpenAtOnce
               : options_.connections;
  }

  void Open() {
    const int descriptor = kith::benchmark::Connect(options_.port);
    ++opened_;
    awaited_[descriptor] = 0;
    kith::benchmark::Watch(epoll_, descriptor, EPOLLOUT);
  }

  void Turn() {
    epoll_event events[256];
    const int count = epoll_wait(epoll_, events, 256, 100);
    for (int i = 0; i < count; ++i) {
      const int descriptor = events[i].data.fd;
      if ((events[i].events & EPOLLOUT) != 0) {
        if (Send(descriptor)) {
          kith::benchmark::ChangeWatch(epoll_, descriptor, EPOLLIN);
        } else {
          Replace(descriptor);
        }
      } else {
        Receive(descriptor);
      }
    }
  }

  bool Send(int descriptor) {
    awaited_[descriptor] = kMessage;
    // A message this small goes into an empty socket buffer as a whole.
    if (send(descriptor, message_, kMessage, MSG_NOSIGNAL) == static_cast<ssize_t>(kMessage)) {
      return true;
    }
    ++failed_;
    return false;
  }

  void Receive(int descriptor) {
    const ssize_t got = recv(descriptor, buffer_, sizeof buffer_, 0);
    if (got < 0 && errno == EAGAIN) return;
    size_t& awaited = awaited_[descriptor];
    if (got <= 0 || static_cast<size_t>(got) > awaited) {
      ++failed_;
      Replace(descriptor);
      return;
    }
    awaited -= static_cast<size_t>(got);
    if (awaited > 0) return;
    ++exchanges_;
    if (options_.kind == Kind::kConnect) {
      Replace(descriptor);
    } else if (options_.kind == Kind::kPingPong) {
      if (!Send(descriptor)) Replace(descriptor);
    } else if (opened_ < options_.connections) {
      Open();
    }
  }

  void Replace(int descriptor) {
    close(descriptor);
    awaited_.erase(descriptor);
    if (options_.kind != Kind::kIdle || opened_ < options_.connections) Open();
  }

  const Options options_;
  const int epoll_;
  std::unordered_map<int, size_t> awaited_;  // Bytes, by descriptor.
  uint64_t opened_ = 0, exchanges_ = 0, failed_ = 0;
  char message_[kMessage];
  char buffer_[4096];
};

bool Parse(int argc, char** argv, Options& options) {
  if (argc < 4) return false;
  const std::string_view kind = argv[1];
  options.port = kith::benchmark::ParsePort(argv[2]);
  options.connections = strtoull(argv[3], nullptr, 10);
  if (kind == "idle") {
    options.kind = Kind::kIdle;
    return argc == 4;
  }
  if (argc != 5 || (kind != "pingpong" && kind != "connect")) return false;
  options.kind = kind == "connect" ? Kind::kConnect : Kind::kPingPong;
  options.seconds = strtoull(argv[4], nullptr, 10);
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!Parse(argc, argv, options)) {
    fprintf(stderr,
            "usage: load pingpong|connect PORT CONNECTIONS SECONDS\n"
            "       load idle PORT CONNECTIONS\n");
    return 64;
  }
  Load(options).Run();
  return 0;
}
