// The control plane's gRPC endpoint: TLS with the control plane's own certificate (read afresh when
// its files change), both services on one port.
// Threads: Create() and Shutdown() from one thread; gRPC serves on its own.
// Owns: the gRPC server. The services are borrowed and must outlive it.
// Errors: Create() says which address could not be bound and what to check.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "source/base/socket_address.h"

namespace kith::controlplane {

class GrpcServer {
 public:
  struct Options {
    base::SocketAddress address;  // Port 0 lets the kernel choose; see port().
    // PEM: the server's key, and its chain. Both empty: plaintext, for tests.
    std::string key_file;
    std::string chain_file;
    std::vector<grpc::Service*> services;
  };
  static absl::StatusOr<std::unique_ptr<GrpcServer>> Create(const Options& options);
  ~GrpcServer();
  GrpcServer(const GrpcServer&) = delete;
  GrpcServer& operator=(const GrpcServer&) = delete;

  int port() const { return port_; }
  // Lets calls end by themselves for `grace`, then cancels them; returns when all have ended.
  void Shutdown(absl::Duration grace);

 private:
  GrpcServer() = default;

  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

}  // namespace kith::controlplane
