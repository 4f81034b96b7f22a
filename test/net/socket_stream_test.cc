#include "source/net/socket_stream.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <random>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "test/net/stream_pair.h"
#include "test/support/temporary_directory.h"

namespace kith::net {
namespace {

constexpr size_t kMiB = 1024 * 1024;

TEST(SocketStreamTest, EchoesEightMebibytesInRandomChunks) {
  StreamPair pair;
  std::string sent = Pattern(8 * kMiB);
  std::mt19937 random(3);
  size_t offset = 0;
  auto write_more = [&] {
    while (offset < sent.size() && !pair.client->write_blocked()) {
      size_t size = random() % 10 == 0 ? random() % 200000 : random() % 3000;
      absl::string_view piece = absl::string_view(sent).substr(offset, size);
      if (random() % 2 == 0) {
        pair.client->Write(piece);
      } else {
        base::ByteChain chain(pair.loop->blocks());
        chain.Append(piece);
        pair.client->Write(std::move(chain));
      }
      offset += piece.size();
    }
    if (offset == sent.size()) pair.client->EndWriting();
  };
  pair.at_client.on_drained = write_more;
  // The echo holds back its source as a proxy does.
  pair.at_server.on_data = [&](absl::Span<const uint8_t> bytes) {
    pair.server->Write(bytes);
    if (pair.server->write_blocked()) pair.server->PauseReading();
  };
  pair.at_server.on_drained = [&] { pair.server->ResumeReading(); };
  pair.ResumeBoth();
  write_more();
  ASSERT_TRUE(pair.Until([&] { return pair.at_server.ends == 1; }));
  pair.server->EndWriting();
  ASSERT_TRUE(pair.Until([&] { return pair.at_client.closed && pair.at_server.closed; }));

  EXPECT_TRUE(pair.at_client.closed->ok()) << *pair.at_client.closed;
  EXPECT_TRUE(pair.at_server.closed->ok()) << *pair.at_server.closed;
  EXPECT_EQ(pair.at_client.received.size(), sent.size());
  EXPECT_TRUE(pair.at_client.received == sent);
  EXPECT_EQ(pair.client->bytes_sent(), sent.size());
  EXPECT_EQ(pair.client->bytes_received(), sent.size());
  EXPECT_EQ(pair.server->bytes_sent(), sent.size());
  EXPECT_EQ(pair.client->buffered_output(), 0u);
}

TEST(SocketStreamTest, KnowsBothItsAddresses) {
  StreamPair pair;
  EXPECT_EQ(pair.client->remote(), pair.listener->local());
  EXPECT_EQ(pair.server->local(), pair.listener->local());
  EXPECT_EQ(pair.server->remote(), pair.client->local());
  EXPECT_NE(pair.client->local().port(), 0);
  EXPECT_EQ(&pair.client->loop(), pair.loop.get());
}

TEST(SocketStreamTest, ReadsNothingBeforeItIsToldTo) {
  StreamPair pair;
  pair.client->Write("early");
  pair.Pass();
  EXPECT_EQ(pair.at_server.deliveries, 0);
  pair.server->ResumeReading();
  EXPECT_TRUE(pair.Until([&] { return pair.at_server.received == "early"; }));
}

TEST(SocketStreamTest, SendsWhatOneTurnWroteInOnePiece) {
  StreamPair pair;
  pair.ResumeBoth();
  for (int i = 0; i < 100; ++i) pair.client->Write("0123456789");
  EXPECT_EQ(pair.client->buffered_output(), 1000u);
  EXPECT_EQ(pair.client->bytes_sent(), 0u);
  ASSERT_TRUE(pair.Until([&] { return pair.at_server.received.size() == 1000; }));
  EXPECT_EQ(pair.at_server.deliveries, 1);
}

TEST(SocketStreamTest, SendsALargeWriteWithoutCopyingItFirst) {
  StreamPair pair;
  pair.ResumeBoth();
  const std::string large = Pattern(64 * 1024);
  pair.client->Write("before");
  pair.client->Write(large);  // Not ahead of what waits, but with it.
  EXPECT_GT(pair.client->bytes_sent(), 6u);
  ASSERT_TRUE(pair.Until([&] { return pair.at_server.received.size() == 6 + large.size(); }));
  pair.client->Write(large);
  EXPECT_GT(pair.client->bytes_sent(), 6 + large.size());
  EXPECT_EQ(pair.client->bytes_sent() + pair.client->buffered_output(), 6 + 2 * large.size());
  ASSERT_TRUE(pair.Until([&] { return pair.at_server.received.size() == 6 + 2 * large.size(); }));
  EXPECT_TRUE(pair.at_server.received == "before" + large + large);
}

TEST(SocketStreamTest, SendsBeforeTheTurnEndsWhatManySmallWritesHaveGathered) {
  StreamPair pair;
  pair.ResumeBoth();
  const std::string record = Pattern(16 * 1024);
  std::string all;
  while (pair.client->bytes_sent() == 0 && all.size() < (1u << 20)) {
    pair.client->Write(record);
    all += record;
  }
  EXPECT_GE(pair.client->bytes_sent(), record.size());
  EXPECT_LE(all.size(), 128u * 1024) << "it never holds up its writer for output it could send";
  ASSERT_TRUE(pair.Until([&] { return pair.at_server.received.size() == all.size(); }));
  EXPECT_TRUE(pair.at_server.received == all);
}

TEST(SocketStreamTest, WritesOnAfterThePeerHasEnded) {
  StreamPair pair;
  pair.ResumeBoth();
  pair.client->Write("request");
  pair.client->EndWriting();
  ASSERT_TRUE(pair.Until([&] { return pair.at_server.ends == 1; }));
  EXPECT_EQ(pair.at_server.received, "request");
  pair.server->Write("response");
  ASSERT_TRUE(pair.Until([&] { return pair.at_client.received == "response"; }));
  pair.Pass();
  EXPECT_FALSE(pair.at_client.closed || pair.at_server.closed);
  pair.server->EndWriting();
  ASSERT_TRUE(pair.Until([&] { return pair.at_client.closed && pair.at_server.closed; }));
  EXPECT_TRUE(pair.at_client.closed->ok() && pair.at_server.closed->ok());
  EXPECT_EQ(pair.at_client.ends, 1);
}

TEST(SocketStreamTest, ReadsOnAfterItHasEndedItself) {
  StreamPair pair;
  pair.ResumeBoth();
  pair.server->EndWriting();
  ASSERT_TRUE(pair.Until([&] { return pair.at_client.ends == 1; }));
  pair.client->Write("still here");
  ASSERT_TRUE(pair.Until([&] { return pair.at_server.received == "still here"; }));
  EXPECT_EQ(pair.at_server.ends, 0);
}

TEST(SocketStreamTest, IgnoresWritingAfterItsEnd) {
  StreamPair pair;
  pair.ResumeBoth();
  pair.client->Write("before");
  pair.client->EndWriting();
  pair.client->Write("after");
  base::ByteChain chain(pair.loop->blocks());
  chain.Append("after");
  pair.client->Write(std::move(chain));
  ASSERT_TRUE(pair.Until([&] { return pair.at_server.ends == 1; }));
  EXPECT_EQ(pair.at_server.received, "before");
  EXPECT_EQ(pair.loop->blocks().outstanding(), 0u);
}

TEST(SocketStreamTest, TellsOnceWhenBlockedOutputHasDrained) {
  StreamPair pair;
  pair.client->ResumeReading();
  std::string large = Pattern(16 * kMiB);
  pair.client->Write(large);
  EXPECT_TRUE(pair.client->write_blocked());
  pair.Pass();
  // The kernel takes a part; the rest waits for the reader.
  EXPECT_TRUE(pair.client->write_blocked());
  EXPECT_EQ(pair.at_client.drained, 0);
  size_t buffered_when_told = 0;
  pair.at_client.on_drained = [&] { buffered_when_told = pair.client->buffered_output(); };
  pair.server->ResumeReading();
  ASSERT_TRUE(pair.Until([&] { return pair.at_server.received.size() == large.size(); }));
  EXPECT_EQ(pair.at_client.drained, 1);
  EXPECT_LT(buffered_when_told, Stream::kHighWatermark / 2);
  EXPECT_TRUE(pair.at_server.received == large);
  EXPECT_EQ(pair.loop->blocks().outstanding(), 0u);
}

TEST(SocketStreamTest, DoesNotTellOfDrainingWhatNeverWasBlocked) {
  StreamPair pair;
  pair.ResumeBoth();
  pair.client->Write(Pattern(Stream::kHighWatermark));
  ASSERT_TRUE(pair.Until([&] { return pair.at_server.received.size() == Stream::kHighWatermark; }));
  EXPECT_EQ(pair.at_client.drained, 0);
}

TEST(SocketStreamTest, KeepsTheOrderOfWhatIsWrittenWhileAWriteIsUnderWay) {
  StreamPair pair;
  std::string expected = Pattern(8 * kMiB);
  pair.client->Write(expected);
  pair.Pass();
  for (int i = 0; i < 2000; ++i) {
    std::string piece = absl::StrCat("piece ", i, ";");
    pair.client->Write(piece);
    expected += piece;
  }
  pair.server->ResumeReading();
  ASSERT_TRUE(pair.Until([&] { return pair.at_server.received.size() >= expected.size(); }));
  EXPECT_TRUE(pair.at_server.received == expected);
}

TEST(SocketStreamTest, StopsAtOnceWhenPausedWithinItsCallback) {
  StreamPair pair;
  pair.at_server.on_data = [&](absl::Span<const uint8_t>) { pair.server->PauseReading(); };
  pair.server->ResumeReading();
  std::string large = Pattern(4 * kMiB);
  pair.client->Write(large);
  ASSERT_TRUE(pair.Until([&] { return pair.at_server.deliveries == 1; }));
  pair.Pass();
  EXPECT_EQ(pair.at_server.deliveries, 1);
  pair.at_server.on_data = [](absl::Span<const uint8_t>) {};
  pair.server->ResumeReading();
  ASSERT_TRUE(pair.Until([&] { return pair.at_server.received.size() == large.size(); }));
  EXPECT_TRUE(pair.at_server.received == large);
}

TEST(SocketStreamTest, GoesOverAUnixSocketToo) {
  test::TemporaryDirectory directory;
  StreamPair pair(absl::StrCat("unix:", directory.File("socket")));
  pair.ResumeBoth();
  std::string sent = Pattern(kMiB);
  pair.client->Write(sent);
  pair.client->EndWriting();
  pair.server->EndWriting();
  ASSERT_TRUE(pair.Until([&] { return pair.at_client.closed && pair.at_server.closed; }));
  EXPECT_TRUE(pair.at_server.received == sent);
  EXPECT_TRUE(pair.at_server.closed->ok()) << *pair.at_server.closed;
}

// Among this process's descriptors, the socket between these two addresses.
int DescriptorOf(const base::SocketAddress& local, const base::SocketAddress& remote) {
  for (int descriptor = 3; descriptor < 1024; ++descriptor) {
    sockaddr_storage own = {}, peer = {};
    socklen_t own_length = sizeof own, peer_length = sizeof peer;
    if (getsockname(descriptor, reinterpret_cast<sockaddr*>(&own), &own_length) == 0 &&
        getpeername(descriptor, reinterpret_cast<sockaddr*>(&peer), &peer_length) == 0 &&
        base::SocketAddress::From(reinterpret_cast<sockaddr*>(&own)) == local &&
        base::SocketAddress::From(reinterpret_cast<sockaddr*>(&peer)) == remote) {
      return descriptor;
    }
  }
  return -1;
}

int Option(int descriptor, int level, int option) {
  int value = -1;
  socklen_t length = sizeof value;
  getsockopt(descriptor, level, option, &value, &length);
  return value;
}

TEST(SocketStreamTest, SendsWithoutDelayAndProbesIdlePeers) {
  StreamPair pair;
  for (const Stream* stream : {pair.client.get(), pair.server.get()}) {
    int descriptor = DescriptorOf(stream->local(), stream->remote());
    ASSERT_GE(descriptor, 0);
    EXPECT_NE(Option(descriptor, IPPROTO_TCP, TCP_NODELAY), 0);
    EXPECT_NE(Option(descriptor, SOL_SOCKET, SO_KEEPALIVE), 0);
    EXPECT_EQ(Option(descriptor, IPPROTO_TCP, TCP_KEEPIDLE), 60);
    EXPECT_EQ(Option(descriptor, IPPROTO_TCP, TCP_KEEPINTVL), 1);
    EXPECT_EQ(Option(descriptor, IPPROTO_TCP, TCP_KEEPCNT), 10);
  }
}

TEST(SocketStreamDeathTest, RefusesToReadForNobody) {
  StreamPair pair;
  pair.client->SetHandler(nullptr);
  EXPECT_DEATH(pair.client->ResumeReading(), "without a handler");
}

}  // namespace
}  // namespace kith::net
