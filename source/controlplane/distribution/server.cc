#include "source/controlplane/distribution/server.h"

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "source/base/status.h"

namespace kith::controlplane {
namespace {

constexpr int kMaxReceiveBytes = 4 * 1024 * 1024;
constexpr int kMaxSendBytes = 200 * 1024 * 1024;
constexpr int kMaxStreamsPerConnection = 100;
constexpr unsigned kCertificateRefreshSeconds = 1;

// gRPC does not tell why it could not listen, so this asks the kernel first.
absl::Status TryBind(const base::SocketAddress& address) {
  const int fd = socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    return absl::UnavailableError(
        absl::StrCat("listen on ", address.ToString(), ": ", std::strerror(errno)));
  }
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  const int error =
      bind(fd, address.get(), address.length()) == 0 && listen(fd, 1) == 0 ? 0 : errno;
  close(fd);
  if (error == 0) return absl::OkStatus();
  absl::string_view hint = "check the configuration's address";
  if (error == EADDRINUSE) hint = "is another process using the port? (ss -ltnp)";
  if (error == EADDRNOTAVAIL) hint = "no interface of this machine has that address";
  if (error == EACCES) hint = "ports below 1024 need more rights";
  return absl::FailedPreconditionError(
      absl::StrCat("listen on ", address.ToString(), ": ", std::strerror(error), "; ", hint));
}

std::shared_ptr<grpc::ServerCredentials> Credentials(const GrpcServer::Options& options) {
  if (options.key_file.empty()) return grpc::InsecureServerCredentials();
  grpc::experimental::TlsServerCredentialsOptions tls(
      std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
          options.key_file, options.chain_file, kCertificateRefreshSeconds));
  tls.watch_identity_key_cert_pairs();
  tls.set_cert_request_type(GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE);  // Callers bring tokens.
  return grpc::experimental::TlsServerCredentials(tls);
}

}  // namespace

absl::StatusOr<std::unique_ptr<GrpcServer>> GrpcServer::Create(const Options& options) {
  KITH_RETURN_IF_ERROR(TryBind(options.address));
  auto server = std::unique_ptr<GrpcServer>(new GrpcServer());
  grpc::ServerBuilder builder;
  builder.AddListeningPort(options.address.ToString(), Credentials(options), &server->port_);
  for (grpc::Service* service : options.services) builder.RegisterService(service);
  builder.SetMaxReceiveMessageSize(kMaxReceiveBytes);
  builder.SetMaxSendMessageSize(kMaxSendBytes);
  // Otherwise two control planes could listen on one port, each answering half of the sidecars.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxStreamsPerConnection);
  // A peer that vanished without a word is noticed within 15 s; peers may ask us as often.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 5'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 1'000);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
  server->server_ = builder.BuildAndStart();
  if (server->server_ == nullptr || server->port_ == 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("listen on ", options.address.ToString(),
                     ": gRPC could not start; has another process taken the port just now?"));
  }
  return server;
}

GrpcServer::~GrpcServer() { Shutdown(absl::ZeroDuration()); }

void GrpcServer::Shutdown(absl::Duration grace) {
  if (server_ == nullptr) return;
  server_->Shutdown(absl::ToChronoTime(absl::Now() + grace));
  server_->Wait();
  server_.reset();
}

}  // namespace kith::controlplane
