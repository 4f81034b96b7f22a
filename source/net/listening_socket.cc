#include "source/net/listening_socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include <cerrno>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "source/base/status.h"
#include "source/event/uv_error.h"

namespace kith::net {
namespace {

// As libuv sets them for connecting sockets: a peer that is gone is noticed after 70 s.
constexpr int kKeepAliveSeconds = 60;
constexpr int kProbeIntervalSeconds = 1;
constexpr int kProbes = 10;

class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return value_; }
  int release() { return std::exchange(value_, -1); }

 private:
  int value_;
};

int SetOption(int descriptor, int level, int option, int value) {
  return setsockopt(descriptor, level, option, &value, sizeof value) == 0 ? 0 : -errno;
}

int Bind(int descriptor, const base::SocketAddress& address) {
  return bind(descriptor, address.get(), address.length()) == 0 ? 0 : -errno;
}

// Connected sockets inherit these, which saves as many system calls per connection.
void SetInheritedOptions(int descriptor) {
  SetOption(descriptor, IPPROTO_TCP, TCP_NODELAY, 1);
  SetOption(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1);
  SetOption(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, kKeepAliveSeconds);
  SetOption(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, kProbeIntervalSeconds);
  SetOption(descriptor, IPPROTO_TCP, TCP_KEEPCNT, kProbes);
}

absl::string_view TcpHint(int error) {
  switch (-error) {
    case EADDRINUSE:
      return "is another process using the port? (ss -ltnp)";
    case EACCES:
    case EPERM:
      return "ports below 1024 need root or the capability CAP_NET_BIND_SERVICE";
    case EADDRNOTAVAIL:
      return "does this machine have the address? (ip address)";
    case EAFNOSUPPORT:
      return "is IPv6 switched off on this machine?";
    default:
      return "";
  }
}

absl::Status BindTcp(int descriptor, const Listener::Options& options,
                     absl::string_view attempted) {
  // Connections of an earlier process in TIME_WAIT do not keep the port.
  SetOption(descriptor, SOL_SOCKET, SO_REUSEADDR, 1);
  if (options.reuse_port) {
    if (int error = SetOption(descriptor, SOL_SOCKET, SO_REUSEPORT, 1); error != 0) {
      return event::UvError(error, attempted, "the kernel does not share ports (SO_REUSEPORT)");
    }
  }
  if (options.transparent) {
    const bool v6 = options.address.family() == AF_INET6;
    if (int error = SetOption(descriptor, v6 ? IPPROTO_IPV6 : IPPROTO_IP,
                              v6 ? IPV6_TRANSPARENT : IP_TRANSPARENT, 1);
        error != 0) {
      return event::UvError(error, attempted,
                            "transparent listeners need root or the capability NET_ADMIN");
    }
  }
  SetInheritedOptions(descriptor);
  if (int error = Bind(descriptor, options.address); error != 0) {
    return event::UvError(error, attempted, TcpHint(error));
  }
  return absl::OkStatus();
}

// Removes a socket's file that nobody listens on.
absl::Status RemoveStale(const base::SocketAddress& address, absl::string_view attempted) {
  std::string path = address.UnixPath();
  struct stat file;
  if (lstat(path.c_str(), &file) != 0) return event::UvError(-errno, attempted);
  if (!S_ISSOCK(file.st_mode)) {
    return absl::FailedPreconditionError(absl::StrCat(
        attempted,
        ": something that is no socket is in the way; remove it or choose another path"));
  }
  Descriptor probe(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (probe.get() < 0) return event::UvError(-errno, attempted);
  if (connect(probe.get(), address.get(), address.length()) == 0 || errno != ECONNREFUSED) {
    return event::UvError(UV_EADDRINUSE, attempted, "is another process listening there?");
  }
  if (unlink(path.c_str()) != 0) {
    return event::UvError(-errno, attempted, "a socket left there could not be removed");
  }
  return absl::OkStatus();
}

absl::Status BindUnix(int descriptor, const Listener::Options& options,
                      absl::string_view attempted) {
  mode_t mode = static_cast<mode_t>(options.unix_mode);
  // Linux gives the file the mode of the socket (less the umask), so it is never more open than
  // asked for, not even between two calls; and the umask, which all threads share, is left alone.
  if (fchmod(descriptor, mode) != 0) return event::UvError(-errno, attempted);
  int error = Bind(descriptor, options.address);
  if (error == -EADDRINUSE) {
    KITH_RETURN_IF_ERROR(RemoveStale(options.address, attempted));
    error = Bind(descriptor, options.address);
  }
  if (error != 0) {
    return event::UvError(error, attempted, "does its directory exist, and may it be written to?");
  }
  // What the umask took away.
  if (chmod(options.address.UnixPath().c_str(), mode) != 0)
    return event::UvError(-errno, attempted);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<int> OpenListeningSocket(const Listener::Options& options) {
  int family = options.address.family();
  std::string attempted = absl::StrCat("listen on ", options.address.ToString());
  if (family == AF_UNSPEC) return absl::InvalidArgumentError("listen: no address is given");
  Descriptor descriptor(socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (descriptor.get() < 0) return event::UvError(-errno, attempted, TcpHint(-errno));
  KITH_RETURN_IF_ERROR(family == AF_UNIX ? BindUnix(descriptor.get(), options, attempted)
                                         : BindTcp(descriptor.get(), options, attempted));
  if (listen(descriptor.get(), options.backlog) != 0) {
    return event::UvError(-errno, attempted, TcpHint(-errno));
  }
  return descriptor.release();
}

}  // namespace kith::net
