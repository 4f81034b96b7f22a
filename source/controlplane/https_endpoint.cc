#include "source/controlplane/https_endpoint.h"

#include <utility>

#include "absl/container/flat_hash_map.h"
#include "source/http/embedded_connection.h"
#include "source/net/listener.h"
#include "source/tls/tls_stream.h"

namespace kith::controlplane {

struct HttpsEndpoint::State : public http::EmbeddedConnection::Host {
  State(event::Loop& loop_in, const http::EmbeddedServer::Options& options_in, Present present_in,
        http::EmbeddedServer::Handler handler_in)
      : loop(loop_in),
        options(options_in),
        present(std::move(present_in)),
        handler(std::move(handler_in)) {}

  void Accept(std::unique_ptr<net::Stream> transport) {
    std::shared_ptr<const tls::Context> context = present();
    if (context == nullptr || handshakes.size() + connections.size() >= options.max_connections) {
      loop.DeleteLater(std::move(transport));
      return;
    }
    tls::TlsStream::ServerOptions with;
    with.context = std::move(context);
    with.alpn = {"http/1.1"};
    with.client_certificate = tls::ClientCertificate::kNone;
    // Known only once it is made; the callback never comes before.
    auto self = std::make_shared<tls::TlsStream*>();
    auto stream = tls::TlsStream::Accept(
        std::move(transport), std::move(with),
        [this, self](const tls::HandshakeResult& result) { Shaken(*self, result.status.ok()); });
    *self = stream.get();
    handshakes.emplace(stream.get(), std::move(stream));
  }

  void Shaken(tls::TlsStream* stream, bool good) {
    const auto found = handshakes.find(stream);
    std::unique_ptr<tls::TlsStream> owned = std::move(found->second);
    handshakes.erase(found);
    if (!good) {
      loop.DeleteLater(std::move(owned));
      return;
    }
    auto connection = std::make_unique<http::EmbeddedConnection>(options, *this, std::move(owned));
    http::EmbeddedConnection& started = *connection;
    connections.emplace(&started, std::move(connection));
    started.Start();
  }

  void Handle(const http::EmbeddedRequest& request, http::EmbeddedResponder responder) override {
    handler(request, std::move(responder));
  }

  void OnConnectionOver(http::EmbeddedConnection& connection) override {
    const auto found = connections.find(&connection);
    if (found == connections.end()) return;
    loop.DeleteLater(std::move(found->second));
    connections.erase(found);
  }

  event::Loop& loop;
  const http::EmbeddedServer::Options options;
  const Present present;
  http::EmbeddedServer::Handler handler;
  absl::flat_hash_map<tls::TlsStream*, std::unique_ptr<tls::TlsStream>> handshakes;
  absl::flat_hash_map<http::EmbeddedConnection*, std::unique_ptr<http::EmbeddedConnection>>
      connections;
  std::unique_ptr<net::Listener> listener;
};

HttpsEndpoint::HttpsEndpoint(std::unique_ptr<State> state) : state_(std::move(state)) {}
HttpsEndpoint::~HttpsEndpoint() = default;

absl::StatusOr<std::unique_ptr<HttpsEndpoint>> HttpsEndpoint::Create(
    event::Loop& loop, const http::EmbeddedServer::Options& options, Present present,
    http::EmbeddedServer::Handler handler) {
  auto state = std::make_unique<State>(loop, options, std::move(present), std::move(handler));
  net::Listener::Options listen;
  listen.address = options.address;
  listen.backlog = 128;
  State& target = *state;
  absl::StatusOr<std::unique_ptr<net::Listener>> listener = net::Listener::Create(
      loop, listen,
      [&target](std::unique_ptr<net::Stream> stream) { target.Accept(std::move(stream)); });
  if (!listener.ok()) return listener.status();
  state->listener = *std::move(listener);
  return std::unique_ptr<HttpsEndpoint>(new HttpsEndpoint(std::move(state)));
}

const base::SocketAddress& HttpsEndpoint::local() const { return state_->listener->local(); }

}  // namespace kith::controlplane
