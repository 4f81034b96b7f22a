#include "source/capture/check.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "source/base/socket_address.h"
#include "source/net/original_destination.h"

namespace kith::capture {
namespace {

using base::SocketAddress;
using Result = Finding::Result;

constexpr uint16_t kProbePort = 65432;

class Socket {
 public:
  Socket(int family, int flags)
      : descriptor_(socket(family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0)) {}
  explicit Socket(int descriptor) : descriptor_(descriptor) {}
  ~Socket() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int get() const { return descriptor_; }

 private:
  int descriptor_;
};

SocketAddress Address(const char* ip, bool v6, uint16_t port) {
  return *SocketAddress::Parse(v6 ? absl::StrCat("[", ip, "]:", port)
                                  : absl::StrCat(ip, ":", port));
}

// Listens where the sidecar will; false when it does so itself already.
bool ListenInItsPlace(const Socket& listener, bool v6, uint16_t port) {
  const int on = 1;
  setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (v6) setsockopt(listener.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  const SocketAddress any = Address(v6 ? "::" : "0.0.0.0", v6, port);
  return bind(listener.get(), any.get(), any.length()) == 0 && listen(listener.get(), 8) == 0;
}

bool AwaitReady(int descriptor, short events, absl::Duration timeout) {
  pollfd ready{descriptor, events, 0};
  return poll(&ready, 1, static_cast<int>(absl::ToInt64Milliseconds(timeout))) == 1;
}

// 0, or why it could not connect.
int TryToConnect(const Socket& client, const SocketAddress& target, absl::Duration timeout) {
  if (connect(client.get(), target.get(), target.length()) == 0) return 0;
  if (errno != EINPROGRESS) return errno;
  if (!AwaitReady(client.get(), POLLOUT, timeout)) return ETIMEDOUT;
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(client.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  return error;
}

Finding Outbound(const Rules& rules, bool v6, absl::Duration timeout) {
  Finding finding{absl::StrCat("outbound ", v6 ? "IPv6" : "IPv4"), Result::kWorks, ""};
  const bool as_proxy = std::find(rules.proxy_uids.begin(), rules.proxy_uids.end(), geteuid()) !=
                        rules.proxy_uids.end();
  if (as_proxy) {
    return {finding.what, Result::kNotTried,
            "this check runs as the proxy's user, whose connections are not captured; run it as "
            "another one"};
  }
  if (!rules.include_outbound_networks.all) {
    return {finding.what, Result::kNotTried,
            "only some networks are captured; the probe's address is none of them"};
  }
  const SocketAddress target = Address(v6 ? "2001:db8::1" : "192.0.2.1", v6, kProbePort);
  const Socket listener(v6 ? AF_INET6 : AF_INET, SOCK_NONBLOCK);
  const bool listens = ListenInItsPlace(listener, v6, rules.outbound_port);
  const Socket client(v6 ? AF_INET6 : AF_INET, SOCK_NONBLOCK);
  const int error = TryToConnect(client, target, timeout);
  if (error == ENETUNREACH) {
    return {finding.what, Result::kNotTried, "this host has no route for the family"};
  }
  if (error != 0) {
    return {finding.what, Result::kFails,
            absl::StrCat("a connection to ", target.ToString(), " was not redirected to port ",
                         rules.outbound_port, " (", std::strerror(error),
                         "); are the rules applied in this network namespace? try 'kith-sidecar "
                         "capture apply'")};
  }
  if (!listens) return finding;
  if (!AwaitReady(listener.get(), POLLIN, timeout)) {
    return {finding.what, Result::kFails,
            absl::StrCat("something else than port ", rules.outbound_port, " answered for ",
                         target.ToString(), "; do other rules redirect traffic here?")};
  }
  const Socket accepted(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  const SocketAddress original = net::OriginalDestination(accepted.get(), v6 ? AF_INET6 : AF_INET);
  if (original == target) return finding;
  return {finding.what, Result::kFails,
          absl::StrCat("redirected, but the original destination reads ", original.ToString(),
                       " and not ", target.ToString(),
                       "; is connection tracking available in this kernel?")};
}

}  // namespace

std::vector<Finding> Check(const Rules& rules, absl::Duration timeout) {
  std::vector<Finding> findings = {Outbound(rules, /*v6=*/false, timeout)};
  if (rules.ipv6) findings.push_back(Outbound(rules, /*v6=*/true, timeout));
  return findings;
}

}  // namespace kith::capture
