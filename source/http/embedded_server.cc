#include "source/http/embedded_server.h"

#include <utility>

#include "absl/container/flat_hash_map.h"
#include "source/http/embedded_connection.h"
#include "source/net/listener.h"

namespace kith::http {

struct EmbeddedServer::State : public EmbeddedConnection::Host {
  State(event::Loop& loop_in, const Options& options_in, Handler handler_in)
      : loop(loop_in), options(options_in), handler(std::move(handler_in)) {}

  void Accept(std::unique_ptr<net::Stream> stream) {
    if (connections.size() >= options.max_connections) {
      const EmbeddedResponse refusal = ErrorResponse(503, "too many connections");
      stream->Write(RenderHead(refusal, options.clock->Now(), AfterResponse::kClose));
      stream->Write(refusal.body);
      stream->CloseAfterFlush();
      loop.DeleteLater(std::move(stream));
      return;
    }
    auto connection = std::make_unique<EmbeddedConnection>(options, *this, std::move(stream));
    EmbeddedConnection& started = *connection;
    connections.emplace(&started, std::move(connection));
    started.Start();
  }

  void Handle(const EmbeddedRequest& request, EmbeddedResponder responder) override {
    handler(request, std::move(responder));
  }

  void OnConnectionOver(EmbeddedConnection& connection) override {
    const auto found = connections.find(&connection);
    if (found == connections.end()) return;
    loop.DeleteLater(std::move(found->second));
    connections.erase(found);
  }

  event::Loop& loop;
  const Options options;
  Handler handler;
  absl::flat_hash_map<EmbeddedConnection*, std::unique_ptr<EmbeddedConnection>> connections;
  std::unique_ptr<net::Listener> listener;
};

EmbeddedServer::EmbeddedServer(std::unique_ptr<State> state) : state_(std::move(state)) {}
EmbeddedServer::~EmbeddedServer() = default;

absl::StatusOr<std::unique_ptr<EmbeddedServer>> EmbeddedServer::Create(event::Loop& loop,
                                                                       const Options& options,
                                                                       Handler handler) {
  auto state = std::make_unique<State>(loop, options, std::move(handler));
  net::Listener::Options listen;
  listen.address = options.address;
  listen.unix_mode = options.unix_mode;
  listen.backlog = 128;
  State& target = *state;
  absl::StatusOr<std::unique_ptr<net::Listener>> listener = net::Listener::Create(
      loop, listen,
      [&target](std::unique_ptr<net::Stream> stream) { target.Accept(std::move(stream)); });
  if (!listener.ok()) return listener.status();
  state->listener = *std::move(listener);
  return std::unique_ptr<EmbeddedServer>(new EmbeddedServer(std::move(state)));
}

const base::SocketAddress& EmbeddedServer::local() const { return state_->listener->local(); }
size_t EmbeddedServer::connections() const { return state_->connections.size(); }

}  // namespace kith::http
