// Two ends of one connection on one loop, and handlers that write down what they are told.
// Threads: the test's. Owns: the loop, the listener, both streams.
// Errors: of making them end the test.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/types/optional.h"
#include "source/net/listener.h"
#include "source/net/socket_stream.h"
#include "source/net/stream.h"

namespace kith::net {

class Recorder final : public StreamHandler {
 public:
  void OnData(absl::Span<const uint8_t> bytes) override;
  void OnEnd() override { ++ends; }
  void OnClosed(absl::Status status) override;
  void OnDrained() override;

  std::string received;
  int deliveries = 0;
  int ends = 0;
  int drained = 0;
  absl::optional<absl::Status> closed;
  // Called after the above is noted.
  std::function<void(absl::Span<const uint8_t>)> on_data = [](absl::Span<const uint8_t>) {};
  std::function<void()> on_drained = [] {};
};

struct StreamPair {
  // "127.0.0.1:0" or "unix:/path". Both streams are connected, and not yet reading.
  explicit StreamPair(absl::string_view address = "127.0.0.1:0");

  void ResumeBoth() {
    client->ResumeReading();
    server->ResumeReading();
  }
  bool Until(std::function<bool()> happened);
  // Lets the loop turn a few times, for what should not happen.
  void Pass();

  std::unique_ptr<event::Loop> loop;
  std::unique_ptr<Listener> listener;
  Recorder at_client;  // What the client is told.
  Recorder at_server;
  std::unique_ptr<Stream> client;
  std::unique_ptr<Stream> server;
};

// Bytes in which a lost, doubled or swapped piece shows.
std::string Pattern(size_t size);

}  // namespace kith::net
