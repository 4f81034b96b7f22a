#include "test/benchmark/sockets.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <ctime>

namespace kith::benchmark {
namespace {

constexpr int kBacklog = 4096;

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

void Control(int epoll, int operation, int descriptor, uint32_t events) {
  epoll_event event = {};
  event.events = events;
  event.data.fd = descriptor;
  if (epoll_ctl(epoll, operation, descriptor, &event) != 0) Die("epoll_ctl");
}

}  // namespace

void Die(const char* what) {
  perror(what);
  exit(1);
}

int Listen(int epoll, uint16_t port) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (listener < 0) Die("socket");
  const int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const sockaddr_in address = Loopback(port);
  if (bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) Die("bind");
  if (listen(listener, kBacklog) != 0) Die("listen");
  Watch(epoll, listener, EPOLLIN);
  return listener;
}

int Connect(uint16_t port) {
  const int connection = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (connection < 0) Die("socket");
  const int on = 1;
  setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const sockaddr_in address = Loopback(port);
  if (connect(connection, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 &&
      errno != EINPROGRESS) {
    Die("connect");
  }
  return connection;
}

void Watch(int epoll, int descriptor, uint32_t events) {
  Control(epoll, EPOLL_CTL_ADD, descriptor, events);
}

void ChangeWatch(int epoll, int descriptor, uint32_t events) {
  Control(epoll, EPOLL_CTL_MOD, descriptor, events);
}

uint16_t ParsePort(const char* text) {
  const long port = strtol(text, nullptr, 10);
  if (port < 1 || port > 65535) {
    fprintf(stderr, "%s is no port\n", text);
    exit(64);
  }
  return static_cast<uint16_t>(port);
}

uint64_t NowMicroseconds() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000 + static_cast<uint64_t>(now.tv_nsec) / 1000;
}

}  // namespace kith::benchmark
