#include "source/proxy/inbound_port.h"

#include <utility>

namespace kith::proxy {

namespace {

// Below the idle time of common application servers (Node.js: 5 s), so that they never close a
// connection which a request is just being written to.
constexpr absl::Duration kApplicationIdle = absl::Seconds(4);

}  // namespace

std::shared_ptr<InboundPort> InboundPort::Create(WorkerState& worker, InboundOptions options,
                                                 const base::SocketAddress& source) {
  auto port = std::make_shared<InboundPort>();
  port->options = std::move(options);
  mesh::Endpoint application;
  application.address = port->options.application;
  application.tls = mesh::EndpointTls::kPlaintext;
  application.source = source;
  Endpoint::Options endpoint_options;
  endpoint_options.idle_timeout = kApplicationIdle;
  port->application = std::make_shared<Endpoint>(
      worker, std::move(application), port->options.protocol, std::move(endpoint_options));
  return port;
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
