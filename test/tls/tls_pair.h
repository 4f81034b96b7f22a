// Two TlsStreams on the two ends of one loopback connection.
// Threads: the test's. Owns: the loop and the streams. Errors: of the sockets end the test; those
// of handshakes are noted.
#pragma once

#include <functional>
#include <memory>

#include "absl/types/optional.h"
#include "source/tls/tls_stream.h"
#include "test/net/stream_pair.h"
#include "test/tls/mesh.h"

namespace kith::tls {

struct TlsPair {
  // Take over sockets.server and sockets.client.
  void Accept(TlsStream::ServerOptions options);
  void Connect(TlsStream::ClientOptions options);
  // Both, with what is usual: the client expects kBackend.
  void Start(std::shared_ptr<const Context> as_client, std::shared_ptr<const Context> as_server);
  // Start(), and both sides succeed.
  void Establish(std::shared_ptr<const Context> as_client,
                 std::shared_ptr<const Context> as_server);
  // Both sides have been told.
  bool Shake();
  bool Until(std::function<bool()> happened) { return sockets.Until(std::move(happened)); }

  // Its recorders are the handlers of the streams here.
  net::StreamPair sockets;
  std::unique_ptr<TlsStream> client;
  std::unique_ptr<TlsStream> server;
  absl::optional<HandshakeResult> client_done;
  absl::optional<HandshakeResult> server_done;
  // Called inside the callbacks of the handshakes, before the handler is set.
  std::function<void()> on_client_done = [] {};
  std::function<void()> on_server_done = [] {};
};

}  // namespace kith::tls
