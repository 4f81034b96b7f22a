#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "source/net/uv_socket.h"
#include "test/net/stream_pair.h"

namespace kith::net {
namespace {

constexpr size_t kMiB = 1024 * 1024;

TEST(SocketCloseTest, TellsThePeerOfAReset) {
  StreamPair pair;
  pair.ResumeBoth();
  pair.client->Reset();
  ASSERT_TRUE(pair.Until([&] { return pair.at_server.closed.has_value(); }));
  EXPECT_EQ(*pair.at_server.closed,
            absl::UnavailableError(absl::StrCat("read ", pair.server->remote().ToString(),
                                                ": connection reset by peer")));
  EXPECT_EQ(pair.at_server.ends, 0);
  EXPECT_FALSE(pair.at_client.closed.has_value());
}

TEST(SocketCloseTest, ResetsEvenAfterItsOwnEnd) {
  StreamPair pair;
  pair.ResumeBoth();
  pair.client->EndWriting();
  ASSERT_TRUE(pair.Until([&] { return pair.at_server.ends == 1; }));
  pair.client->Reset();
  // The server's end was still open: only a write shows it the reset.
  ASSERT_TRUE(pair.Until([&] {
    pair.server->Write("x");
    return pair.at_server.closed.has_value();
  }));
  EXPECT_EQ(pair.at_server.closed->code(), absl::StatusCode::kUnavailable);
}

TEST(SocketCloseTest, ReportsAFailedWrite) {
  StreamPair pair;  // The server does not read, so that only a write can find the reset.
  pair.client->Reset();
  pair.Pass();
  ASSERT_TRUE(pair.Until([&] {
    pair.server->Write("x");
    return pair.at_server.closed.has_value();
  }));
  EXPECT_EQ(pair.at_server.closed->code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(
      std::string(pair.at_server.closed->message()),
      testing::StartsWith(absl::StrCat("write to ", pair.server->remote().ToString(), ": ")));
  EXPECT_EQ(pair.loop->blocks().outstanding(), 0u);
}

TEST(SocketCloseTest, ReportsAWriteThatFailsWhileItIsUnderWay) {
  StreamPair pair;
  pair.server->Write(Pattern(16 * kMiB));
  pair.Pass();
  EXPECT_GT(pair.server->buffered_output(), 0u);
  pair.client->Reset();
  ASSERT_TRUE(pair.Until([&] { return pair.at_server.closed.has_value(); }));
  EXPECT_EQ(pair.at_server.closed->code(), absl::StatusCode::kUnavailable);
  pair.Pass();
  EXPECT_EQ(pair.loop->blocks().outstanding(), 0u);
}

TEST(SocketCloseTest, IsSilentAfterCloseWithinACallback) {
  StreamPair pair;
  pair.at_server.on_data = [&](absl::Span<const uint8_t>) { pair.server->Close(); };
  pair.ResumeBoth();
  pair.client->Write(Pattern(kMiB));
  ASSERT_TRUE(pair.Until([&] { return pair.at_client.closed.has_value(); }));
  EXPECT_EQ(pair.at_server.deliveries, 1);
  EXPECT_EQ(pair.at_server.ends, 0);
  EXPECT_FALSE(pair.at_server.closed.has_value());
}

TEST(SocketCloseTest, IgnoresEverythingOnceClosed) {
  StreamPair pair;
  pair.ResumeBoth();
  pair.client->Write("dropped");
  pair.client->Close();
  EXPECT_EQ(pair.client->buffered_output(), 0u);
  pair.client->Write("ignored");
  pair.client->ResumeReading();
  pair.client->PauseReading();
  pair.client->EndWriting();
  pair.client->CloseAfterFlush();
  pair.client->Reset();
  pair.client->Close();
  ASSERT_TRUE(pair.Until([&] { return pair.at_server.ends == 1; }));
  EXPECT_EQ(pair.at_server.received, "");
  EXPECT_EQ(pair.client->remote(), pair.listener->local());
  EXPECT_EQ(pair.loop->blocks().outstanding(), 0u);
}

TEST(SocketCloseTest, GivesItsBlocksBackWhenClosedWhileAWriteIsUnderWay) {
  StreamPair pair;
  pair.client->Write(Pattern(16 * kMiB));
  pair.Pass();
  EXPECT_GT(pair.client->buffered_output(), 0u);
  pair.client->Close();
  pair.Pass();
  EXPECT_EQ(pair.loop->blocks().outstanding(), 0u);
  EXPECT_EQ(pair.client->buffered_output(), 0u);
}

TEST(SocketCloseTest, ClosesWhenDestroyed) {
  StreamPair pair;
  pair.ResumeBoth();
  pair.client.reset();
  ASSERT_TRUE(pair.Until([&] { return pair.at_server.ends == 1; }));
  EXPECT_EQ(pair.at_client.ends, 0);
  EXPECT_FALSE(pair.at_client.closed.has_value());
}

TEST(SocketCloseTest, DeliversEverythingThoughItsOwnerIsGone) {
  StreamPair pair;
  std::string sent = Pattern(16 * kMiB);
  pair.client->Write(sent);
  pair.client->CloseAfterFlush();
  pair.client.reset();
  pair.Pass();
  EXPECT_GT(pair.loop->blocks().outstanding(), 0u);  // The reader has not even begun.
  pair.server->ResumeReading();
  ASSERT_TRUE(pair.Until([&] { return pair.at_server.ends == 1; }));
  EXPECT_TRUE(pair.at_server.received == sent);
  EXPECT_FALSE(pair.at_server.closed.has_value());
  EXPECT_EQ(pair.loop->blocks().outstanding(), 0u);
}

TEST(SocketCloseTest, IsNotSpoiltByInputThatNobodyReads) {
  StreamPair pair;
  // The client goes on sending, more than the kernel takes: closing over unread input would answer
  // with a reset, which throws away what the client has not yet read.
  pair.client->Write(Pattern(32 * kMiB));
  pair.Pass();
  std::string answer = Pattern(kMiB);
  pair.server->Write(answer);
  pair.server->CloseAfterFlush();
  pair.server.reset();
  pair.Pass();
  pair.client->ResumeReading();
  ASSERT_TRUE(pair.Until([&] { return pair.at_client.ends == 1; }));
  EXPECT_TRUE(pair.at_client.received == answer);
  pair.client->EndWriting();
  ASSERT_TRUE(pair.Until([&] { return pair.at_client.closed.has_value(); }));
  EXPECT_TRUE(pair.at_client.closed->ok()) << *pair.at_client.closed;
}

TEST(SocketCloseTest, EndsQuietlyWhenBothAreDone) {
  StreamPair pair;
  pair.ResumeBoth();
  pair.client->EndWriting();
  ASSERT_TRUE(pair.Until([&] { return pair.at_server.ends == 1; }));
  pair.server->Write("bye");
  pair.server->CloseAfterFlush();
  ASSERT_TRUE(pair.Until([&] { return pair.at_client.closed.has_value(); }));
  EXPECT_EQ(pair.at_client.received, "bye");
  EXPECT_TRUE(pair.at_client.closed->ok());
  pair.Pass();
  EXPECT_FALSE(pair.at_server.closed.has_value());
}

// A socket whose other end is a plain descriptor in the test's hands.
struct Half {
  explicit Half(event::Loop& loop) : socket(UvSocket::Create(loop, AF_UNIX)) {
    int both[2] = {-1, -1};
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, both), 0);
    EXPECT_EQ(socket->Open(both[0], base::SocketAddress()), 0);
    other = both[1];
  }
  ~Half() { close(other); }

  // Whether the other end is at the end of what it can read.
  bool Drain() {
    char buffer[65536];
    ssize_t count;
    while ((count = read(other, buffer, sizeof buffer)) > 0) drained += static_cast<size_t>(count);
    return count == 0;
  }

  UvSocket::Ptr socket;
  int other = -1;
  size_t drained = 0;
};

TEST(SocketCloseTest, GivesUpOnAPeerThatDoesNotRead) {
  std::unique_ptr<event::Loop> loop = *event::Loop::Create();
  Half half(*loop);
  half.socket->Write(base::ByteChain(loop->blocks()));
  std::string large = Pattern(4 * kMiB);
  half.socket->Write(
      absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(large.data()), large.size()));
  half.socket->CloseAfterFlush(absl::Milliseconds(20));
  half.socket.reset();
  loop->RunOnce();
  EXPECT_GT(loop->blocks().outstanding(), 0u);
  while (loop->RunOnce()) {
  }
  EXPECT_EQ(loop->blocks().outstanding(), 0u);
  EXPECT_TRUE(half.Drain());
  EXPECT_LT(half.drained, large.size());
}

TEST(SocketCloseTest, IsAbandonedWithItsLoop) {
  std::unique_ptr<event::Loop> loop = *event::Loop::Create();
  Half half(*loop);
  std::string large = Pattern(4 * kMiB);
  half.socket->Write(
      absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(large.data()), large.size()));
  half.socket->CloseAfterFlush(absl::Hours(1));
  half.socket.reset();
  loop->RunOnce();
  loop.reset();  // Neither hangs nor leaks nor complains.
  EXPECT_TRUE(half.Drain());
}

TEST(SocketCloseTest, SendsItsLastBytesThoughTheLoopIsDestroyedAtOnce) {
  std::unique_ptr<event::Loop> loop = *event::Loop::Create();
  Half half(*loop);
  std::string text = "last words";
  half.socket->Write(
      absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(text.data()), text.size()));
  half.socket->CloseAfterFlush(absl::Seconds(5));
  half.socket.reset();
  loop.reset();
  EXPECT_TRUE(half.Drain());
  EXPECT_EQ(half.drained, text.size());
}

}  // namespace
}  // namespace kith::net
