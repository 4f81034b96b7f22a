#include "source/https/dial.h"

#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "absl/strings/str_cat.h"
#include "source/https/tls_socket.h"

namespace kith::https {
namespace {

using Addresses = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

bool IsLocal4(uint32_t address) {
  return address >> 24 == 127 || address >> 24 == 0 || address >> 16 == 0xa9fe ||
         address >> 28 >= 0xe || address == 0x646464c8;  // 100.100.100.200: a cloud's metadata.
}

bool IsPublic(const sockaddr* address) {
  if (address->sa_family == AF_INET) {
    return !IsLocal4(ntohl(reinterpret_cast<const sockaddr_in*>(address)->sin_addr.s_addr));
  }
  if (address->sa_family != AF_INET6) return false;
  const in6_addr& ip = reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr;
  if (IN6_IS_ADDR_V4MAPPED(&ip) || IN6_IS_ADDR_V4COMPAT(&ip)) {
    uint32_t inner;
    std::memcpy(&inner, ip.s6_addr + 12, sizeof(inner));
    return !IsLocal4(ntohl(inner));
  }
  constexpr uint8_t kAwsMetadata[16] = {0xfd, 0x00, 0x0e, 0xc2, 0, 0, 0, 0,
                                        0,    0,    0,    0,    0, 0, 2, 0x54};
  return !IN6_IS_ADDR_LOOPBACK(&ip) && !IN6_IS_ADDR_UNSPECIFIED(&ip) &&
         !IN6_IS_ADDR_LINKLOCAL(&ip) && !IN6_IS_ADDR_MULTICAST(&ip) &&
         std::memcmp(ip.s6_addr, kAwsMetadata, sizeof(kAwsMetadata)) != 0;
}

}  // namespace

absl::StatusOr<int> Dial(const std::string& host, uint16_t port, Reach reach, absl::Time deadline) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), absl::StrCat(port).c_str(), &hints, &found);
  if (error != 0) {
    return absl::UnavailableError(absl::StrCat("resolve ", host, ": ", gai_strerror(error)));
  }
  const Addresses addresses(found, freeaddrinfo);
  absl::Status status = absl::UnavailableError("the name has no address");
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    if (reach == Reach::kPublic && !IsPublic(each->ai_addr)) {
      status = absl::PermissionDeniedError(
          "its address is loopback, link-local or multicast; name the host in "
          "keyFetching.trustedHosts if it is meant");
      continue;
    }
    const int fd = socket(each->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return absl::UnavailableError(absl::StrCat("socket: ", std::strerror(errno)));
    int failed = connect(fd, each->ai_addr, each->ai_addrlen) == 0 ? 0 : errno;
    if (failed == EINPROGRESS) {
      status = AwaitSocket(fd, POLLOUT, deadline);
      socklen_t size = sizeof(failed);
      if (status.ok()) getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &size);
    }
    if (failed == 0) return fd;
    if (failed != EINPROGRESS) {
      status = absl::UnavailableError(absl::StrCat("connect: ", std::strerror(failed)));
    }
    close(fd);
  }
  return status;
}

}  // namespace kith::https
