#include "test/net/stream_pair.h"

#include <gtest/gtest.h>

#include <random>
#include <utility>

#include "test/support/run_until.h"

namespace kith::net {

void Recorder::OnData(absl::Span<const uint8_t> bytes) {
  EXPECT_FALSE(closed.has_value());
  EXPECT_EQ(ends, 0);
  received.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  ++deliveries;
  on_data(bytes);
}

void Recorder::OnClosed(absl::Status status) {
  EXPECT_FALSE(closed.has_value());
  closed = std::move(status);
}

void Recorder::OnDrained() {
  EXPECT_FALSE(closed.has_value());
  ++drained;
  on_drained();
}

StreamPair::StreamPair(absl::string_view address) : loop(*event::Loop::Create()) {
  Listener::Options options;
  options.address = *base::SocketAddress::Parse(address);
  absl::StatusOr<std::unique_ptr<Listener>> created = Listener::Create(
      *loop, options, [this](std::unique_ptr<Stream> stream) { server = std::move(stream); });
  EXPECT_TRUE(created.ok()) << created.status();
  listener = *std::move(created);
  std::unique_ptr<Connector> connector =
      Connect(*loop, listener->local(), absl::Seconds(30), "",
              [this](absl::StatusOr<std::unique_ptr<Stream>> stream) {
                EXPECT_TRUE(stream.ok()) << stream.status();
                client = *std::move(stream);
              });
  EXPECT_TRUE(Until([this] { return client != nullptr && server != nullptr; }));
  client->SetHandler(&at_client);
  server->SetHandler(&at_server);
}

bool StreamPair::Until(std::function<bool()> happened) { return test::RunUntil(*loop, happened); }

void StreamPair::Pass() {
  for (int i = 0; i < 20; ++i) loop->RunOnce();
}

std::string Pattern(size_t size) {
  std::mt19937_64 random(1);
  std::string bytes;
  bytes.reserve(size + sizeof(uint64_t));
  while (bytes.size() < size) {
    uint64_t word = random();
    bytes.append(reinterpret_cast<const char*>(&word), sizeof word);
  }
  bytes.resize(size);
  return bytes;
}

}  // namespace kith::net
