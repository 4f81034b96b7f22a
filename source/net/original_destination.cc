#include "source/net/original_destination.h"

#include <linux/netfilter_ipv4.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace kith::net {
namespace {

// IP6T_SO_ORIGINAL_DST: <linux/netfilter_ipv6/ip6_tables.h> does not go with <netinet/in.h>.
constexpr int kIpv6OriginalDestination = 80;

}  // namespace

base::SocketAddress OriginalDestination(int descriptor, int peer_family) {
  sockaddr_storage storage = {};
  socklen_t length = sizeof storage;
  const int failed =
      peer_family == AF_INET6
          ? getsockopt(descriptor, IPPROTO_IPV6, kIpv6OriginalDestination, &storage, &length)
          : getsockopt(descriptor, IPPROTO_IP, SO_ORIGINAL_DST, &storage, &length);
  if (failed != 0) return base::SocketAddress();
  return base::SocketAddress::From(reinterpret_cast<const sockaddr*>(&storage));
}

}  // namespace kith::net
