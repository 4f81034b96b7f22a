#include "source/controlplane/keys/https_get.h"

#include <netdb.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pool.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "source/base/descriptor.h"
#include "source/base/status.h"
#include "source/http/http1_parser.h"
#include "source/http/serialize.h"

namespace kith::controlplane {
namespace {

constexpr char kSystemRoots[] = "/etc/ssl/certs/ca-certificates.crt";

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

absl::Status Await(int fd, short events, absl::Time deadline) {
  const int64_t left = absl::ToInt64Milliseconds(deadline - absl::Now());
  pollfd waiting = {fd, events, 0};
  if (left <= 0 || poll(&waiting, 1, static_cast<int>(left) + 1) <= 0) {
    return absl::DeadlineExceededError("no answer in time");
  }
  return absl::OkStatus();
}

// Connects to the first address that may be asked. The address that was checked is the one that is
// connected to, so a name cannot mean another one a moment later.
absl::StatusOr<int> Connect(const HttpsGet& get, absl::Time deadline) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(get.host.c_str(), absl::StrCat(get.port).c_str(), &hints, &found);
  if (error != 0) {
    return absl::UnavailableError(absl::StrCat("resolve ", get.host, ": ", gai_strerror(error)));
  }
  const Addresses addresses(found, freeaddrinfo);
  absl::Status status = absl::UnavailableError("the name has no address");
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    if (get.reach == HttpsGet::Reach::kPublic && !IsPublic(each->ai_addr)) {
      status = absl::PermissionDeniedError(
          "its address is loopback, link-local or multicast; name the host in "
          "keyFetching.trustedHosts if it is meant");
      continue;
    }
    const int fd = socket(each->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return absl::UnavailableError(absl::StrCat("socket: ", std::strerror(errno)));
    int failed = connect(fd, each->ai_addr, each->ai_addrlen) == 0 ? 0 : errno;
    if (failed == EINPROGRESS) {
      status = Await(fd, POLLOUT, deadline);
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

// Bytes over the socket, through TLS if `ssl` is set.
class Transport {
 public:
  Transport(int fd, absl::Time deadline) : fd_(fd), deadline_(deadline) {}

  absl::Status StartTls(const HttpsGet& get) {
    get_ = &get;
    roots_ = get.ca_file.empty() ? kSystemRoots : get.ca_file;
    context_.reset(SSL_CTX_new(TLS_method()));
    if (!context_ || !SSL_CTX_set_min_proto_version(context_.get(), TLS1_2_VERSION)) {
      return absl::InternalError("TLS cannot be set up");
    }
    if (get.verify) {
      SSL_CTX_set_custom_verify(context_.get(), SSL_VERIFY_PEER, &Verify);
    } else if (SSL_CTX_load_verify_locations(context_.get(), roots_.c_str(), nullptr) == 1) {
      SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
    } else {
      ERR_clear_error();
      return absl::UnavailableError(absl::StrCat("no roots can be read from ", roots_));
    }
    ssl_.reset(SSL_new(context_.get()));
    if (!ssl_ || !SSL_set_app_data(ssl_.get(), this) ||
        (!get.verify && !SSL_set1_host(ssl_.get(), get.host.c_str())) ||
        !SSL_set_tlsext_host_name(ssl_.get(), get.host.c_str()) || !SSL_set_fd(ssl_.get(), fd_)) {
      return absl::InternalError("TLS cannot be set up");
    }
    while (true) {
      const int result = SSL_connect(ssl_.get());
      if (result == 1) return absl::OkStatus();
      KITH_RETURN_IF_ERROR(Retry(result, "TLS handshake"));
    }
  }

  absl::Status Send(absl::string_view bytes) {
    while (!bytes.empty()) {
      const int sent = ssl_ ? SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()))
                            : static_cast<int>(send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL));
      if (sent > 0) {
        bytes.remove_prefix(static_cast<size_t>(sent));
      } else {
        KITH_RETURN_IF_ERROR(Retry(sent, "send"));
      }
    }
    return absl::OkStatus();
  }

  // Zero at the end of the connection.
  absl::StatusOr<size_t> Receive(absl::Span<uint8_t> buffer) {
    while (true) {
      const int size = ssl_ ? SSL_read(ssl_.get(), buffer.data(), static_cast<int>(buffer.size()))
                            : static_cast<int>(recv(fd_, buffer.data(), buffer.size(), 0));
      if (size > 0) return static_cast<size_t>(size);
      if (size == 0 && !ssl_) return size_t{0};
      if (ssl_ && SSL_get_error(ssl_.get(), size) == SSL_ERROR_ZERO_RETURN) return size_t{0};
      KITH_RETURN_IF_ERROR(Retry(size, "receive"));
    }
  }

 private:
  // Waits for what the last call lacks; an error when it failed.
  absl::Status Retry(int result, absl::string_view what) {
    if (!ssl_) {
      if (errno == EINTR) return absl::OkStatus();
      if (errno != EAGAIN && errno != EWOULDBLOCK) {
        return absl::UnavailableError(absl::StrCat(what, ": ", std::strerror(errno)));
      }
      return Await(fd_, what == "send" ? POLLOUT : POLLIN, deadline_);
    }
    switch (SSL_get_error(ssl_.get(), result)) {
      case SSL_ERROR_WANT_READ:
        return Await(fd_, POLLIN, deadline_);
      case SSL_ERROR_WANT_WRITE:
        return Await(fd_, POLLOUT, deadline_);
      default:
        break;
    }
    const char* reason = ERR_reason_error_string(ERR_peek_error());
    std::string message =
        absl::StrCat(what, ": ", reason == nullptr ? "the connection broke" : reason);
    ERR_clear_error();
    if (!refused_.ok()) return base::Annotate(refused_, what);
    if (!get_->verify) {
      absl::StrAppend(&message, "; does its certificate chain to a root in ", roots_, "?");
    }
    return absl::UnavailableError(message);
  }

  static ssl_verify_result_t Verify(SSL* ssl, uint8_t* alert) noexcept {
    auto& self = *static_cast<Transport*>(SSL_get_app_data(ssl));
    std::vector<CRYPTO_BUFFER*> chain;
    const STACK_OF(CRYPTO_BUFFER)* sent = SSL_get0_peer_certificates(ssl);
    for (size_t i = 0; i < sk_CRYPTO_BUFFER_num(sent); ++i) {
      chain.push_back(sk_CRYPTO_BUFFER_value(sent, i));
    }
    self.refused_ = self.get_->verify(chain);
    *alert = SSL_AD_BAD_CERTIFICATE;
    return self.refused_.ok() ? ssl_verify_ok : ssl_verify_invalid;
  }

  const HttpsGet* get_ = nullptr;  // Set with TLS.
  std::string roots_;
  absl::Status refused_;
  const int fd_;
  const absl::Time deadline_;
  bssl::UniquePtr<SSL_CTX> context_;
  bssl::UniquePtr<SSL> ssl_;
};

class Receiver final : public http::Http1Handler {
 public:
  explicit Receiver(size_t max_bytes) : max_bytes_(max_bytes) {}
  void OnResponseHead(const http::ResponseHead& head) override {
    if (!head.is_informational()) status = head.status;
  }
  void OnBody(absl::Span<const uint8_t> bytes) override {
    too_large |= body.size() + bytes.size() > max_bytes_;
    if (!too_large) body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  void OnMessageComplete() override { complete = true; }

  int status = 0;
  std::string body;
  bool complete = false;
  bool too_large = false;

 private:
  const size_t max_bytes_;
};

}  // namespace

absl::StatusOr<std::string> HttpsGet::Run() const {
  const absl::Time deadline = absl::Now() + timeout;
  std::string request;
  const std::string authority = absl::StrContains(host, ':') ? absl::StrCat("[", host, "]") : host;
  const bool default_port = port == (security == Security::kTls ? 443 : 80);
  if (!http::WriteRequestLine("GET", target, request) ||
      !http::WriteHeader("Host", default_port ? authority : absl::StrCat(authority, ":", port),
                         request) ||
      !http::WriteHeader("Accept", "application/json", request) ||
      !http::WriteHeader("Connection", "close", request)) {
    return absl::InvalidArgumentError("the URL holds what HTTP does not allow");
  }
  http::EndHead(request);
  KITH_ASSIGN_OR_RETURN(const int fd, Connect(*this, deadline));
  const base::Descriptor closing(fd);
  Transport transport(fd, deadline);
  if (security == Security::kTls) KITH_RETURN_IF_ERROR(transport.StartTls(*this));
  KITH_RETURN_IF_ERROR(transport.Send(request));

  Receiver receiver(max_bytes);
  http::Http1Parser parser(http::Http1Parser::Kind::kResponse, receiver);
  parser.ExpectResponse({});
  uint8_t buffer[16 * 1024];
  while (!receiver.complete) {
    KITH_ASSIGN_OR_RETURN(const size_t size, transport.Receive(absl::MakeSpan(buffer)));
    if (size == 0) {
      KITH_RETURN_IF_ERROR(parser.FinishOnEof());
      if (!receiver.complete) return absl::UnavailableError("the answer ends early");
      break;
    }
    KITH_RETURN_IF_ERROR(parser.Feed(absl::MakeConstSpan(buffer, size)).status());
    if (receiver.too_large) {
      return absl::ResourceExhaustedError(absl::StrCat("more than ", max_bytes, " bytes"));
    }
  }
  if (receiver.status != 200) {
    return absl::InvalidArgumentError(absl::StrCat("the answer is ", receiver.status, ", not 200"));
  }
  return std::move(receiver.body);
}

}  // namespace kith::controlplane
