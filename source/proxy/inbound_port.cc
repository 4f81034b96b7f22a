#include "source/proxy/inbound_port.h"

#include <utility>

#include "source/proxy/reply.h"

namespace kith::proxy {

namespace {

// Below the idle time of common application servers (Node.js: 5 s), so that they never close a
// connection which a request is just being written to.
constexpr absl::Duration kApplicationIdle = absl::Seconds(4);

std::shared_ptr<Endpoint> MakeApplication(WorkerState& worker, const base::SocketAddress& address,
                                          const base::SocketAddress& source,
                                          mesh::Protocol protocol) {
  mesh::Endpoint application;
  application.address = address;
  application.tls = mesh::EndpointTls::kPlaintext;
  application.source = source;
  Endpoint::Options options;
  options.idle_timeout = kApplicationIdle;
  return std::make_shared<Endpoint>(worker, std::move(application), protocol, std::move(options));
}

}  // namespace

std::shared_ptr<InboundPort> InboundPort::Create(WorkerState& worker, const InboundOptions& options,
                                                 const base::SocketAddress& source) {
  auto port = std::make_shared<InboundPort>();
  port->options = options;
  port->application =
      MakeApplication(worker, port->options.application, source, port->options.protocol);
  return port;
}

std::shared_ptr<Endpoint> InboundPort::ApplicationFor(WorkerState& worker,
                                                      const StoredRequest& request) {
  const bool http2 = options.protocol == mesh::Protocol::kDetect &&
                     (IsGrpc(request.headers()) ||
                      worker.config.snapshot->modes.http2_ports.contains(options.port));
  if (!http2) return application;
  if (http2_application == nullptr) {
    http2_application = MakeApplication(worker, options.application, application->config().source,
                                        mesh::Protocol::kHttp2);
  }
  return http2_application;
}

policy::Request InboundPort::PeerOf(const WorkerState& worker, const ConnectionFacts& facts,
                                    const base::SocketAddress& remote) const {
  policy::Request request;
  if (facts.peer) {
    request.peer = &facts.peer->id;
    if (worker.reads_certificates) request.certificate = facts.certificate();
  }
  request.source = &remote;
  request.destination = &options.bind;
  request.destination_port = options.port;
  request.sni = facts.sni;
  request.scheme = facts.tls_version.empty() ? "http" : "https";
  return request;
}

}  // namespace kith::proxy
