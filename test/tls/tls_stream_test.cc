#include "source/tls/tls_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <memory>
#include <random>
#include <string>
#include <utility>

#include "source/event/timer.h"
#include "test/tls/raw_peer.h"
#include "test/tls/tls_pair.h"

namespace kith::tls {
namespace {

using telemetry::Reason;
using testing::HasSubstr;

constexpr size_t kMiB = 1024 * 1024;

class TlsStreamTest : public testing::Test {
 protected:
  void SetUp() override { pair_.Establish(mesh_.Workload(kFrontend), mesh_.Workload(kBackend)); }
  void ResumeBoth() {
    pair_.client->ResumeReading();
    pair_.server->ResumeReading();
  }

  Mesh mesh_;
  TlsPair pair_;
  net::Recorder& at_client_ = pair_.sockets.at_client;
  net::Recorder& at_server_ = pair_.sockets.at_server;
};

// Writes `bytes` in pieces of random sizes, as far as the stream takes them.
class Writer {
 public:
  Writer(net::Stream& stream, net::Recorder& recorder, const std::string& bytes, unsigned seed)
      : stream_(stream), bytes_(bytes), random_(seed) {
    recorder.on_drained = [this] { Go(); };
  }
  void Go() {
    while (at_ < bytes_.size() && !stream_.write_blocked()) {
      const size_t size = std::min<size_t>(1 + random_() % 100000, bytes_.size() - at_);
      const absl::string_view piece = absl::string_view(bytes_).substr(at_, size);
      if (random_() % 2 == 0) {
        stream_.Write(piece);
      } else {
        base::ByteChain chain(stream_.loop().blocks());
        chain.Append(piece);
        stream_.Write(std::move(chain));
        EXPECT_TRUE(chain.empty());  // NOLINT(bugprone-use-after-move): it is taken from, not gone.
      }
      at_ += size;
    }
    if (at_ == bytes_.size()) stream_.EndWriting();
  }

 private:
  net::Stream& stream_;
  const std::string& bytes_;
  std::mt19937 random_;
  size_t at_ = 0;
};

TEST_F(TlsStreamTest, CarriesTenMebibytesBothWaysThroughRandomPauses) {
  const std::string up = net::Pattern(10 * kMiB);
  const std::string down(up.rbegin(), up.rend());
  std::mt19937 random(7);
  event::Timer resume(*pair_.sockets.loop, [&] {
    if (!at_client_.closed) pair_.client->ResumeReading();
    if (!at_server_.closed) pair_.server->ResumeReading();
  });
  resume.StartRepeating(absl::Milliseconds(1));
  const auto pause_sometimes = [&random](TlsStream& stream) {
    return [&random, &stream](absl::Span<const uint8_t>) {
      if (random() % 3 != 0) return;
      stream.PauseReading();
      if (random() % 2 == 0) stream.ResumeReading();
    };
  };
  at_client_.on_data = pause_sometimes(*pair_.client);
  at_server_.on_data = pause_sometimes(*pair_.server);
  Writer client(*pair_.client, at_client_, up, 1);
  Writer server(*pair_.server, at_server_, down, 2);
  ResumeBoth();
  client.Go();
  server.Go();
  ASSERT_TRUE(
      pair_.Until([&] { return at_client_.closed.has_value() && at_server_.closed.has_value(); }));
  EXPECT_TRUE(at_client_.closed->ok()) << *at_client_.closed;
  EXPECT_TRUE(at_server_.closed->ok()) << *at_server_.closed;
  EXPECT_TRUE(at_server_.received == up);
  EXPECT_TRUE(at_client_.received == down);
  EXPECT_EQ(at_client_.ends, 1);
  EXPECT_EQ(at_server_.ends, 1);
  EXPECT_EQ(pair_.sockets.loop->blocks().outstanding(), 0u);
}

TEST_F(TlsStreamTest, DeliversWhatOneReadBroughtAtOnce) {
  pair_.server->ResumeReading();
  pair_.sockets.Pass();
  const std::string records(60000, 'x');
  pair_.client->Write(records);  // Four records, one write to the socket.
  ASSERT_TRUE(pair_.Until([&] { return at_server_.received.size() == records.size(); }));
  EXPECT_EQ(at_server_.deliveries, 1);
}

TEST_F(TlsStreamTest, HoldsNoBlocksWhenIdle) {
  ResumeBoth();
  pair_.client->Write(net::Pattern(kMiB));
  pair_.server->Write(net::Pattern(kMiB));
  ASSERT_TRUE(pair_.Until(
      [&] { return at_server_.received.size() == kMiB && at_client_.received.size() == kMiB; }));
  pair_.sockets.Pass();
  EXPECT_EQ(pair_.sockets.loop->blocks().outstanding(), 0u);
}

TEST_F(TlsStreamTest, DeliversNothingBeforeItIsAsked) {
  pair_.client->Write("hello");
  pair_.sockets.Pass();
  EXPECT_EQ(at_server_.received, "");
  pair_.server->ResumeReading();
  ASSERT_TRUE(pair_.Until([&] { return at_server_.received == "hello"; }));
}

TEST_F(TlsStreamTest, KeepsUndeliveredRecordsWhilePaused) {
  at_server_.on_data = [&](absl::Span<const uint8_t>) { pair_.server->PauseReading(); };
  pair_.server->ResumeReading();
  pair_.client->Write(net::Pattern(2 * kMiB));
  ASSERT_TRUE(pair_.Until([&] { return at_server_.deliveries == 1; }));
  const size_t first = at_server_.received.size();
  pair_.sockets.Pass();
  EXPECT_EQ(at_server_.deliveries, 1);
  EXPECT_EQ(at_server_.received.size(), first);
  at_server_.on_data = [](absl::Span<const uint8_t>) {};
  pair_.server->ResumeReading();
  EXPECT_EQ(at_server_.deliveries, 1);  // Never inside the call.
  ASSERT_TRUE(pair_.Until([&] { return at_server_.received.size() == 2 * kMiB; }));
  EXPECT_TRUE(at_server_.received == net::Pattern(2 * kMiB));
}

TEST_F(TlsStreamTest, SurvivesResumingInsideItsOwnDelivery) {
  int depth = 0;
  at_server_.on_data = [&](absl::Span<const uint8_t>) {
    EXPECT_EQ(++depth, 1);
    pair_.server->PauseReading();
    pair_.server->ResumeReading();
    --depth;
  };
  pair_.server->ResumeReading();
  pair_.client->Write(net::Pattern(kMiB));
  ASSERT_TRUE(pair_.Until([&] { return at_server_.received.size() == kMiB; }));
  EXPECT_TRUE(at_server_.received == net::Pattern(kMiB));
}

TEST_F(TlsStreamTest, HoldsBackTheEndWhilePaused) {
  at_server_.on_data = [&](absl::Span<const uint8_t>) { pair_.server->PauseReading(); };
  pair_.server->ResumeReading();
  pair_.client->Write("last");
  pair_.client->EndWriting();
  ASSERT_TRUE(pair_.Until([&] { return at_server_.received == "last"; }));
  pair_.sockets.Pass();
  EXPECT_EQ(at_server_.ends, 0);
  pair_.server->ResumeReading();
  ASSERT_TRUE(pair_.Until([&] { return at_server_.ends == 1; }));
}

TEST_F(TlsStreamTest, KeepsSendingAfterThePeersHalfClose) {
  ResumeBoth();
  pair_.client->EndWriting();
  ASSERT_TRUE(pair_.Until([&] { return at_server_.ends == 1; }));
  EXPECT_FALSE(at_server_.closed.has_value());
  const std::string rest = net::Pattern(kMiB);
  pair_.server->Write(rest);
  ASSERT_TRUE(pair_.Until([&] { return at_client_.received.size() == kMiB; }));
  EXPECT_TRUE(at_client_.received == rest);
  pair_.server->EndWriting();
  ASSERT_TRUE(
      pair_.Until([&] { return at_client_.closed.has_value() && at_server_.closed.has_value(); }));
  EXPECT_TRUE(at_client_.closed->ok());
  EXPECT_TRUE(at_server_.closed->ok());
  EXPECT_EQ(at_client_.ends, 1);
  EXPECT_EQ(pair_.server->close_reason(), Reason::kNone);
}

TEST_F(TlsStreamTest, KeepsSendingFromTheClientAfterTheServersHalfClose) {
  ResumeBoth();
  pair_.server->EndWriting();
  ASSERT_TRUE(pair_.Until([&] { return at_client_.ends == 1; }));
  pair_.client->Write("still here");
  ASSERT_TRUE(pair_.Until([&] { return at_server_.received == "still here"; }));
}

// Ends its own side as soon as it is told of the peer's end.
struct EndingHandler final : net::StreamHandler {
  explicit EndingHandler(net::Stream& to_end) : stream(to_end) {}
  void OnData(absl::Span<const uint8_t>) override {}
  void OnEnd() override {
    stream.Write("farewell");
    stream.EndWriting();
    EXPECT_FALSE(closed.has_value());  // Never inside its own call.
  }
  void OnClosed(absl::Status status) override { closed = std::move(status); }
  void OnDrained() override {}

  net::Stream& stream;
  absl::optional<absl::Status> closed;
};

TEST_F(TlsStreamTest, EndsInsideTheCallbackOfTheEnd) {
  EndingHandler handler(*pair_.server);
  pair_.server->SetHandler(&handler);
  ResumeBoth();
  pair_.client->EndWriting();
  ASSERT_TRUE(
      pair_.Until([&] { return handler.closed.has_value() && at_client_.closed.has_value(); }));
  EXPECT_TRUE(handler.closed->ok());
  EXPECT_TRUE(at_client_.closed->ok());
  EXPECT_EQ(at_client_.received, "farewell");
}

TEST_F(TlsStreamTest, IgnoresWritesAfterItsEnd) {
  ResumeBoth();
  pair_.client->Write("before");
  pair_.client->EndWriting();
  pair_.client->Write("after");
  pair_.client->EndWriting();
  ASSERT_TRUE(pair_.Until([&] { return at_server_.ends == 1; }));
  EXPECT_EQ(at_server_.received, "before");
}

TEST_F(TlsStreamTest, SendsEverythingBeforeItClosesThoughItsOwnerIsGone) {
  ResumeBoth();
  const std::string bytes = net::Pattern(4 * kMiB);
  pair_.client->Write(bytes);
  pair_.client->CloseAfterFlush();
  pair_.client.reset();
  ASSERT_TRUE(pair_.Until([&] { return at_server_.ends == 1; }));  // With close_notify.
  EXPECT_TRUE(at_server_.received == bytes);
  EXPECT_FALSE(at_client_.closed.has_value());
}

TEST_F(TlsStreamTest, IsSilentAfterCloseWithinACallback) {
  ResumeBoth();
  at_server_.on_data = [&](absl::Span<const uint8_t>) { pair_.server->Close(); };
  pair_.client->Write(net::Pattern(kMiB));
  ASSERT_TRUE(pair_.Until([&] { return at_client_.closed.has_value(); }));
  EXPECT_EQ(at_server_.deliveries, 1);
  EXPECT_EQ(at_server_.ends, 0);
  EXPECT_FALSE(at_server_.closed.has_value());
}

TEST_F(TlsStreamTest, MayBeDestroyedThroughTheLoopInsideACallback) {
  ResumeBoth();
  at_server_.on_data = [&](absl::Span<const uint8_t>) {
    pair_.sockets.loop->DeleteLater(std::move(pair_.server));
  };
  pair_.client->Write("hello");
  ASSERT_TRUE(pair_.Until([&] { return at_client_.closed.has_value(); }));
  EXPECT_FALSE(at_client_.closed->ok());
}

TEST_F(TlsStreamTest, ReportsAReset) {
  ResumeBoth();
  pair_.client->Reset();
  ASSERT_TRUE(pair_.Until([&] { return at_server_.closed.has_value(); }));
  EXPECT_EQ(at_server_.closed->code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(at_server_.closed->message()), HasSubstr("connection reset by peer"));
  EXPECT_EQ(pair_.server->close_reason(), Reason::kConnectionReset);
  EXPECT_EQ(at_server_.ends, 0);
}

TEST_F(TlsStreamTest, ReportsACutConnectionAsTruncated) {
  ResumeBoth();
  pair_.client->Write("half a mess");
  ASSERT_TRUE(pair_.Until([&] { return at_server_.received == "half a mess"; }));
  pair_.client->Close();  // The socket's end, without close_notify.
  ASSERT_TRUE(pair_.Until([&] { return at_server_.closed.has_value(); }));
  EXPECT_EQ(at_server_.closed->code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(at_server_.closed->message()), HasSubstr("truncated"));
  EXPECT_EQ(pair_.server->close_reason(), Reason::kConnectionReset);
  EXPECT_EQ(at_server_.ends, 0);
}

TEST_F(TlsStreamTest, BlocksAWriterWhosePeerDoesNotRead) {
  const std::string bytes = net::Pattern(16 * kMiB);
  pair_.client->Write(bytes);
  pair_.sockets.Pass();
  EXPECT_TRUE(pair_.client->write_blocked());
  EXPECT_EQ(at_client_.drained, 0);
  pair_.server->ResumeReading();
  ASSERT_TRUE(pair_.Until([&] { return at_server_.received.size() == bytes.size(); }));
  EXPECT_EQ(at_client_.drained, 1);
  EXPECT_FALSE(pair_.client->write_blocked());
  EXPECT_GT(pair_.client->bytes_sent(), bytes.size());
  EXPECT_EQ(pair_.server->bytes_received(), pair_.client->bytes_sent());
}

// One of our servers and a client that is not ours, after their handshake.
class RawStreamTest : public testing::Test {
 protected:
  void SetUp() override {
    TlsStream::ServerOptions options;
    options.context = mesh_.Workload(kBackend);
    pair_.Accept(std::move(options));
    raw_context_ = RawContext(mesh_.ca.Leaf(kFrontend));
    raw_ = std::make_unique<RawPeer>(std::move(pair_.sockets.client), raw_context_.get(),
                                     RawPeer::Side::kClient);
  }
  void Establish() {
    raw_->Start();
    ASSERT_TRUE(pair_.Until([&] { return pair_.server_done.has_value() && raw_->done(); }));
    ASSERT_TRUE(pair_.server_done->status.ok());
    pair_.server->ResumeReading();
  }
  bool ServerClosed() {
    return pair_.Until([&] { return at_server_.closed.has_value(); });
  }

  Mesh mesh_;
  TlsPair pair_;
  net::Recorder& at_server_ = pair_.sockets.at_server;
  bssl::UniquePtr<SSL_CTX> raw_context_;
  std::unique_ptr<RawPeer> raw_;
};

TEST_F(RawStreamTest, DeliversWhatCameWithTheEndOfTheHandshake) {
  raw_->Start();
  raw_->Hold();
  ASSERT_TRUE(pair_.Until([&] { return raw_->done(); }));
  raw_->Write("first words");
  raw_->Flush();
  pair_.on_server_done = [&] {
    pair_.server->SetHandler(&at_server_);
    pair_.server->ResumeReading();
  };
  ASSERT_TRUE(pair_.Until([&] { return at_server_.received == "first words"; }));
}

TEST_F(RawStreamTest, KeepsWhatCameWithTheEndOfTheHandshakeUntilItIsAsked) {
  raw_->Start();
  raw_->Hold();
  ASSERT_TRUE(pair_.Until([&] { return raw_->done(); }));
  raw_->Write("first words");
  raw_->Flush();
  ASSERT_TRUE(pair_.Until([&] { return pair_.server_done.has_value(); }));
  pair_.sockets.Pass();
  EXPECT_EQ(at_server_.received, "");
  pair_.server->ResumeReading();
  ASSERT_TRUE(pair_.Until([&] { return at_server_.received == "first words"; }));
  pair_.sockets.Pass();
  EXPECT_EQ(pair_.sockets.loop->blocks().outstanding(), 0u);
}

TEST_F(RawStreamTest, MayAnswerInsideTheCallbackOfTheHandshake) {
  pair_.on_server_done = [&] { pair_.server->Write("welcome"); };
  Establish();
  ASSERT_TRUE(pair_.Until([&] { return raw_->received() == "welcome"; }));
}

TEST_F(RawStreamTest, FollowsKeyUpdates) {
  Establish();
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(SSL_key_update(raw_->ssl(), SSL_KEY_UPDATE_REQUESTED), 1);
    raw_->Write("x");
    ASSERT_TRUE(pair_.Until([&] { return at_server_.received.size() == size_t(i) + 1; }));
    pair_.server->Write("y");
    ASSERT_TRUE(pair_.Until([&] { return raw_->received().size() == size_t(i) + 1; }));
  }
}

TEST_F(RawStreamTest, EndsAFloodOfKeyUpdates) {
  Establish();
  raw_->Hold();
  for (int i = 0; i < 33; ++i) {
    ASSERT_EQ(SSL_key_update(raw_->ssl(), SSL_KEY_UPDATE_NOT_REQUESTED), 1);
    raw_->WriteNothing();
  }
  raw_->Flush();
  ASSERT_TRUE(ServerClosed());
  EXPECT_THAT(std::string(at_server_.closed->message()), HasSubstr("too many key updates"));
  ASSERT_TRUE(pair_.Until([&] { return raw_->failed(); }));
  EXPECT_EQ(raw_->alert(), SSL_AD_UNEXPECTED_MESSAGE);
}

TEST_F(RawStreamTest, EndsWithAnAlertOnAForgedRecord) {
  Establish();
  raw_->Write("good");
  raw_->stream().Write(
      absl::string_view("\x17\x03\x03\x00\x15"
                        "forged record here...",
                        26));
  ASSERT_TRUE(ServerClosed());
  EXPECT_EQ(at_server_.received, "good");
  EXPECT_EQ(at_server_.ends, 0);
  EXPECT_EQ(at_server_.closed->code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(pair_.server->close_reason(), Reason::kNotTls);
  ASSERT_TRUE(pair_.Until([&] { return raw_->failed(); }));
  EXPECT_EQ(raw_->alert(), SSL_AD_BAD_RECORD_MAC);
}

TEST_F(RawStreamTest, DoesNotTakeATcpEndForAnEnd) {
  Establish();
  raw_->Write("half a mess");
  raw_->stream().EndWriting();
  ASSERT_TRUE(ServerClosed());
  EXPECT_EQ(at_server_.received, "half a mess");
  EXPECT_EQ(at_server_.ends, 0);
  EXPECT_THAT(std::string(at_server_.closed->message()), HasSubstr("truncated"));
}

TEST_F(RawStreamTest, NoticesATruncatedRecord) {
  Establish();
  raw_->Hold();
  raw_->Write("whole");
  raw_->Flush();
  raw_->stream().Write(absl::string_view("\x17\x03\x03\x40\x00half", 9));
  raw_->stream().EndWriting();
  ASSERT_TRUE(ServerClosed());
  EXPECT_EQ(at_server_.received, "whole");
  EXPECT_THAT(std::string(at_server_.closed->message()), HasSubstr("truncated"));
}

TEST_F(RawStreamTest, SaysCloseNotify) {
  Establish();
  pair_.server->EndWriting();
  ASSERT_TRUE(pair_.Until([&] { return raw_->close_notify() && raw_->transport_ended(); }));
}

TEST_F(RawStreamTest, IgnoresWhatFollowsCloseNotify) {
  Establish();
  raw_->Hold();
  raw_->Write("last");
  SSL_shutdown(raw_->ssl());
  raw_->Flush();
  raw_->stream().Write("\x17\x03\x03 whatever");
  ASSERT_TRUE(pair_.Until([&] { return at_server_.ends == 1; }));
  pair_.sockets.Pass();
  EXPECT_EQ(at_server_.received, "last");
  EXPECT_FALSE(at_server_.closed.has_value());
  pair_.server->Write("still answering");
  ASSERT_TRUE(pair_.Until([&] { return raw_->stream().bytes_received() > 0; }));
}

}  // namespace
}  // namespace kith::tls
