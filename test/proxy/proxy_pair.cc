#include "test/proxy/proxy_pair.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <future>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "source/base/check.h"

namespace kith::proxy {

namespace {

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

base::SocketAddress AnyPort() { return *base::SocketAddress::Parse("127.0.0.1:0"); }

base::SocketAddress AtPort(uint16_t port) {
  base::SocketAddress address = AnyPort();
  address.set_port(port);
  return address;
}

}  // namespace

Client::Client(uint16_t port) : descriptor_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const sockaddr_in address = Loopback(port);
  KITH_CHECK(
      connect(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0,
      "the test's port accepts");
  timeval limit = {10, 0};
  setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
}

Client::~Client() { close(descriptor_); }

void Client::Send(absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
}

void Client::EndSending() { shutdown(descriptor_, SHUT_WR); }

std::string Client::ReadSome() {
  std::string buffer(65536, '\0');
  const ssize_t got = recv(descriptor_, buffer.data(), buffer.size(), 0);
  if (got < 0) return errno == ECONNRESET ? "<reset>" : "<timeout>";
  buffer.resize(static_cast<size_t>(got));
  return buffer;
}

std::string Client::ReadAll() { return ReadUntil("\xff never \xff"); }

std::string Client::ReadUntil(absl::string_view text) {
  std::string all;
  while (all.find(std::string(text)) == std::string::npos) {
    const std::string some = ReadSome();
    all += some;
    if (some.empty() || some == "<reset>" || some == "<timeout>") break;
  }
  return all;
}

Application::Application(std::function<void(Client&)> serve)
    : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof(address);
  KITH_CHECK(bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                 listen(listener_, 128) == 0 &&
                 getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0,
             "the test's application listens");
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this, serve = std::move(serve)] {
    std::vector<std::thread> connections;
    for (;;) {
      const int descriptor = accept(listener_, nullptr, nullptr);
      if (descriptor < 0) break;
      ++accepted_;
      connections.emplace_back([descriptor, &serve] {
        Client connection(descriptor);
        serve(connection);
      });
    }
    for (std::thread& connection : connections) connection.join();
  });
}

Application::~Application() {
  shutdown(listener_, SHUT_RDWR);
  thread_.join();
  close(listener_);
}

std::function<void(Client&)> Answering(std::string response) {
  return [response = std::move(response)](Client& connection) {
    while (absl::StrContains(connection.ReadUntil("\r\n\r\n"), "\r\n\r\n")) {
      connection.Send(response);
    }
  };
}

ProxyPair::ProxyPair(uint16_t application_port) : ProxyPair(application_port, Options()) {}

ProxyPair::ProxyPair(uint16_t application_port, Options options_in)
    : options(std::move(options_in)) {
  Worker::Options server_options;
  InboundOptions inbound;
  inbound.bind = AnyPort();
  inbound.application = AtPort(application_port);
  inbound.port = application_port;
  inbound.protocol = options.inbound_protocol.value_or(options.protocol);
  inbound.proxy_protocol = options.proxy_protocol;
  server_options.inbound = {inbound};
  server_options.timeouts = options.timeouts;
  server_options.retries = options.retries;
  server_options.links = options.links;
  server_options.workload = "server-1";
  server_options.name_space = "n";
  server_options.metrics = &server_metrics.AddShard();
  server = *Worker::Create(std::move(server_options));

  Worker::Options client_options;
  client_options.outbound = {{AnyPort(), "server.n.svc", 80}};
  client_options.timeouts = options.timeouts;
  client_options.retries = options.retries;
  client_options.links = options.links;
  client_options.workload = "client-1";
  client_options.name_space = "n";
  client_options.metrics = &client_metrics.AddShard();
  client = *Worker::Create(std::move(client_options));

  server->SetTls(NewContext("spiffe://td/ns/n/sa/server"));
  if (options.client_has_identity) client->SetTls(NewContext("spiffe://td/ns/n/sa/client"));
  SetServerPolicies(options.policies == "deny" ? policy::PolicySet::DenyAll()
                                               : policy::PolicySet::AllowAll());

  auto service = std::make_shared<mesh::Service>();
  service->host = "server.n.svc";
  service->name_space = "n";
  mesh::Endpoint endpoint;
  endpoint.address = AtPort(inbound_port());
  endpoint.workload = "n/server-1";
  endpoint.tls = options.mode == mesh::MtlsMode::kDisable ? mesh::EndpointTls::kPlaintext
                                                          : mesh::EndpointTls::kMutual;
  endpoint.principals = {*base::SpiffeId::Parse(options.expected)};
  service->ports = {{80, options.protocol, {endpoint}, options.traffic}};
  for (const uint16_t port : options.plaintext_endpoints) {
    mesh::Endpoint beside;
    beside.address = AtPort(port);
    beside.workload = absl::StrCat("n/at-", port);
    beside.tls = mesh::EndpointTls::kPlaintext;
    service->ports.front().endpoints.push_back(std::move(beside));
  }
  for (size_t i = 0; i < options.localities.size(); ++i) {
    service->ports.front().endpoints[i].locality = options.localities[i];
  }
  auto snapshot = std::make_shared<mesh::Snapshot>();
  snapshot->modes.locality = options.client_locality;
  snapshot->services["server.n.svc"] = service;
  client->SetConfig({.snapshot = snapshot, .policies = policy::PolicySet::AllowAll()});

  server->Start();
  client->Start();
  // The settings are messages: once an answer to a later one is here, they are in force.
  for (Worker* worker : {server.get(), client.get()}) {
    std::promise<void> done;
    worker->Query([&done](const Worker::Activity&) { done.set_value(); });
    done.get_future().wait();
  }
}

ProxyPair::~ProxyPair() {
  client->Stop();
  server->Stop();
}

uint16_t ProxyPair::outbound_port() const { return client->outbound_addresses().front().port(); }
uint16_t ProxyPair::inbound_port() const { return server->inbound_addresses().front().port(); }

std::string ProxyPair::Get(absl::string_view path) {
  Client connection(outbound_port());
  connection.Send("GET " + std::string(path) +
                  " HTTP/1.1\r\nHost: server\r\nConnection: close\r\n\r\n");
  return connection.ReadAll();
}

std::shared_ptr<const tls::Context> ProxyPair::NewContext(absl::string_view spiffe_id) {
  const test::Credential leaf = ca.Leaf(spiffe_id);
  auto key = tls::PrivateKey::FromPem(leaf.key_pem);
  KITH_CHECK(key.ok(), "the temporary CA's key is sound");
  auto identity = tls::Identity::Create(leaf.chain_pem, *key);
  KITH_CHECK(identity.ok(), "the temporary CA's leaf is sound");
  auto bundle = tls::TrustBundle::Create({{"td", ca.root_pem()}});
  KITH_CHECK(bundle.ok(), "the temporary CA's root is sound");
  tls::Context::Options context_options;
  context_options.identity = *identity;
  context_options.bundle = *bundle;
  context_options.generation = ++generation;
  return *tls::Context::Create(std::move(context_options));
}

void ProxyPair::SetServerPolicies(std::shared_ptr<const policy::PolicySet> policies) {
  auto snapshot = std::make_shared<mesh::Snapshot>();
  snapshot->modes.mode = options.mode;
  server->SetConfig({.snapshot = snapshot, .policies = std::move(policies)});
}

}  // namespace kith::proxy
