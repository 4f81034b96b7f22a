// Two workers as two sidecars of one mesh, an application behind the second, and blocking sockets
// to talk through them: what the data path does, without a control plane. Threads: the test's; the
// workers and the application have their own. Owns: all of them. Errors: of making them end the
// test.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/string_view.h"
#include "source/proxy/worker.h"
#include "test/support/temporary_ca.h"

namespace kith::proxy {

// A connected blocking socket, with 10 s for everything.
class Client {
 public:
  explicit Client(uint16_t port);
  explicit Client(int descriptor) : descriptor_(descriptor) {}
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void Send(absl::string_view bytes);
  void EndSending();
  // Until the peer ends; "<reset>" is appended when it breaks the connection.
  std::string ReadAll();
  // Until `text` has been seen, or the end.
  std::string ReadUntil(absl::string_view text);
  std::string ReadSome();  // At most 64 KiB; empty at the end.

 private:
  int descriptor_;
};

// Serves each connection in a thread of its own.
class Application {
 public:
  explicit Application(std::function<void(Client&)> serve);
  ~Application();
  uint16_t port() const { return port_; }
  int accepted() const { return accepted_; }

 private:
  int listener_;
  uint16_t port_;
  std::atomic<int> accepted_{0};
  std::thread thread_;
};

inline constexpr char kOk[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
// Sends `response`, and nothing more, to each request of a connection.
std::function<void(Client&)> Answering(std::string response);

struct ProxyPair {
  struct Options {
    mesh::Protocol protocol = mesh::Protocol::kHttp;
    // Of the server's port; none: the same.
    absl::optional<mesh::Protocol> inbound_protocol = {};
    std::string expected = "spiffe://td/ns/n/sa/server";  // What the client expects to reach.
    std::string policies = "";                            // "allow", "deny"; default allow.
    mesh::MtlsMode mode = mesh::MtlsMode::kStrict;
    bool client_has_identity = true;
    Links links = Links::kOffered;
    Timeouts timeouts;
    RetryLimits retries = {};
    mesh::TrafficPolicy traffic;
    // Applications that stand beside the server's sidecar as endpoints, spoken to in plaintext.
    std::vector<uint16_t> plaintext_endpoints = {};
    // Of the client, and of the endpoints in their order; none is known by default.
    std::string client_locality = "";
    std::vector<std::string> localities = {};
    ProxyProtocol proxy_protocol = ProxyProtocol::kOff;
  };
  ProxyPair(uint16_t application_port, Options options);
  explicit ProxyPair(uint16_t application_port);
  ~ProxyPair();

  uint16_t outbound_port() const;  // Of the client's sidecar.
  uint16_t inbound_port() const;   // Of the server's.
  // One request through both; the whole answer.
  std::string Get(absl::string_view path = "/");

  std::shared_ptr<const tls::Context> NewContext(absl::string_view spiffe_id);
  void SetServerPolicies(std::shared_ptr<const policy::PolicySet> policies);
  std::string ClientMetrics() const { return client_metrics.Text(); }
  std::string ServerMetrics() const { return server_metrics.Text(); }

  const Options options;
  test::TemporaryCa ca;
  telemetry::Metrics client_metrics;
  telemetry::Metrics server_metrics;
  std::unique_ptr<Worker> server;
  std::unique_ptr<Worker> client;
  uint64_t generation = 0;
};

}  // namespace kith::proxy
