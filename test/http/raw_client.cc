#include "test/http/raw_client.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "gtest/gtest.h"

namespace kith::http {

RawClient::RawClient(const base::SocketAddress& address)
    : fd_(socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const timeval limit = {10, 0};
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
  EXPECT_EQ(connect(fd_, address.get(), address.length()), 0)
      << address.ToString() << ": " << std::strerror(errno);
}

RawClient::~RawClient() { close(fd_); }

void RawClient::Send(absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    // The server may have refused and closed already; what it said is what the test looks at.
    if (sent <= 0) return;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
}

void RawClient::EndSending() { shutdown(fd_, SHUT_WR); }

bool RawClient::ReceiveSome(std::string& into) {
  char buffer[4096];
  const ssize_t size = recv(fd_, buffer, sizeof(buffer), 0);
  if (size < 0 && errno != ECONNRESET) {
    ADD_FAILURE() << "receive: " << std::strerror(errno) << " after: " << into;
  }
  if (size <= 0) return false;
  into.append(buffer, static_cast<size_t>(size));
  return true;
}

std::string RawClient::ReceiveUntil(absl::string_view end) {
  std::string received;
  while (absl::string_view(received).find(end) == absl::string_view::npos) {
    if (!ReceiveSome(received)) break;
  }
  return received;
}

std::string RawClient::ReceiveAll() {
  std::string received;
  while (ReceiveSome(received)) {
  }
  return received;
}

}  // namespace kith::http
