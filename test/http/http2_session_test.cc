#include "source/http/http2_session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "test/http/http2_peer.h"

namespace kith::http {
namespace {

using Message = Http2Session::Message;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;

const Header kGet[] = {
    {":method", "GET"}, {":scheme", "http"}, {":authority", "a"}, {":path", "/x"}};
const Header kPost[] = {
    {":method", "POST"}, {":scheme", "http"}, {":authority", "a"}, {":path", "/x"}};
const Header kOk[] = {{":status", "200"}};

Http2Session::Options Options(Http2Session::Role role) {
  Http2Session::Options options;
  options.role = role;
  return options;
}

struct Pair {
  Http2Peer client{Options(Http2Session::Role::kClient)};
  Http2Peer server{Options(Http2Session::Role::kServer)};
};

// A server that has received the preface and these frames.
struct Attacked {
  explicit Attacked(absl::string_view frames) {
    status = server.Receive(absl::StrCat(kPreface, Frame(kSettings, 0, 0, ""), frames));
  }
  Http2Peer server{Options(Http2Session::Role::kServer)};
  absl::Status status;
};

TEST(Http2SessionTest, CarriesARequestAndItsResponseWithTrailers) {
  Pair pair;
  const int32_t id = pair.client.Request(kPost, Message::kGoesOn);
  pair.client.session.Write(id, Bytes("hello"));
  pair.client.session.End(id, {});
  Exchange(pair.client, pair.server);
  EXPECT_EQ(pair.server.Notes(id).text, "POST /x a;host=a;end;");
  EXPECT_EQ(pair.server.Notes(id).body, "hello");
  pair.server.session.SubmitResponse(id, kOk, Message::kGoesOn);
  pair.server.session.Write(id, Bytes("world"));
  const Header trailers[] = {{"grpc-status", "0"}};
  pair.server.session.End(id, trailers);
  Exchange(pair.client, pair.server);
  EXPECT_EQ(pair.client.Notes(id).text, "200;grpc-status=0;end;");
  EXPECT_EQ(pair.client.Notes(id).body, "world");
  EXPECT_EQ(pair.client.session.streams(), 0u);
  EXPECT_EQ(pair.server.session.streams(), 0u);
}

TEST(Http2SessionTest, KeepsAResponseOfNothingButAHeadInOneFrame) {
  Pair pair;
  const int32_t id = pair.client.Request(kGet, Message::kComplete);
  Exchange(pair.client, pair.server);
  EXPECT_EQ(pair.server.Notes(id).text, "GET /x a complete;host=a;end;");
  pair.server.session.SubmitResponse(id, kOk, Message::kComplete);
  Exchange(pair.client, pair.server);
  EXPECT_EQ(pair.client.Notes(id).text, "200 complete;end;");
}

TEST(Http2SessionTest, StopsASenderWhoseReaderDoesNotRead) {
  Pair pair;
  pair.server.reads = false;
  const int32_t id = pair.client.Request(kPost, Message::kGoesOn);
  pair.client.session.Write(id, Bytes(std::string(1 << 20, 'x')));
  Exchange(pair.client, pair.server);
  EXPECT_EQ(pair.server.Notes(id).body.size(), 64u * 1024) << "one stream's first window";
  EXPECT_EQ(pair.client.session.buffered_output(id), (1u << 20) - 64 * 1024);
  // Another stream is not in its way.
  const int32_t other = pair.client.Request(kPost, Message::kGoesOn);
  pair.client.session.Write(other, Bytes("through"));
  Exchange(pair.client, pair.server);
  EXPECT_EQ(pair.server.Notes(other).body, "through");
  // It reads on, and the rest comes.
  pair.server.reads = true;
  pair.server.session.Consume(id, std::exchange(pair.server.Notes(id).unread, 0));
  Exchange(pair.client, pair.server);
  EXPECT_EQ(pair.server.Notes(id).body.size(), 1u << 20);
  EXPECT_TRUE(absl::StrContains(pair.client.Notes(id).text, "drained;"));
}

TEST(Http2SessionTest, FillsExactlyTheRoomThatItIsGiven) {
  constexpr size_t kRoom = 40'000;
  Pair pair;
  Exchange(pair.client, pair.server);
  const int32_t id = pair.client.Request(kPost, Message::kGoesOn);
  const std::string body(200'000, 'x');
  pair.client.session.Write(id, Bytes(body));
  pair.client.session.End(id, {});
  const std::string piece = pair.client.Output(kRoom);
  EXPECT_EQ(piece.size(), kRoom);
  ASSERT_TRUE(pair.server.Receive(piece).ok());
  Exchange(pair.client, pair.server);
  EXPECT_EQ(pair.server.Notes(id).body, body);
}

TEST(Http2SessionTest, SendsLargerFramesToAPeerThatTakesThem) {
  Http2Session::Options options = Options(Http2Session::Role::kServer);
  options.max_frame_bytes = 128 * 1024;
  Http2Peer client(Options(Http2Session::Role::kClient));
  Http2Peer server(options);
  Exchange(client, server);
  const int32_t id = client.Request(kPost, Message::kGoesOn);
  (void)server.Receive(client.Output());
  client.session.Write(id, Bytes(std::string(60'000, 'x')));
  EXPECT_EQ(client.Output().size(), 60'000u + 9) << "one frame";
  // The other way the peer has asked for nothing.
  server.session.SubmitResponse(id, kOk, Message::kGoesOn);
  (void)server.Output();
  server.session.Write(id, Bytes(std::string(60'000, 'x')));
  EXPECT_EQ(server.Output().size(), 60'000u + 4 * 9);
}

TEST(Http2SessionTest, TakesALargeWriteFromWhereItLies) {
  Pair pair;
  const int32_t id = pair.client.Request(kPost, Message::kGoesOn);
  Exchange(pair.client, pair.server);
  size_t held = 0;
  pair.client.on_large_output = [&] {
    (void)pair.server.Receive(pair.client.Output());
    held = pair.client.blocks.outstanding();
  };
  std::string body;
  for (int i = 0; i < 100'000; ++i) body.push_back(static_cast<char>(i % 251));
  pair.client.session.Write(id, Bytes(body));
  EXPECT_EQ(held, 0u) << "nothing is copied while it can be sent";
  EXPECT_EQ(pair.client.session.buffered_output(id), body.size() - 65'536);
  Exchange(pair.client, pair.server);
  pair.client.session.Write(id, Bytes("the end"));
  Exchange(pair.client, pair.server);
  EXPECT_EQ(pair.server.Notes(id).body, body + "the end");
}

TEST(Http2SessionTest, KeepsTheOrderWhenSomethingIsWrittenInsideALargeWrite) {
  Pair pair;
  const int32_t id = pair.client.Request(kPost, Message::kGoesOn);
  Exchange(pair.client, pair.server);
  const std::string body(100'000, 'x');
  pair.client.on_large_output = [&] { pair.client.session.Write(id, Bytes("then this")); };
  pair.client.session.Write(id, Bytes(body));
  Exchange(pair.client, pair.server);
  EXPECT_EQ(pair.server.Notes(id).body, body + "then this");
}

TEST(Http2SessionTest, SurvivesAResetInsideALargeWrite) {
  Pair pair;
  const int32_t id = pair.client.Request(kPost, Message::kGoesOn);
  Exchange(pair.client, pair.server);
  pair.client.on_large_output = [&] {
    pair.client.session.Reset(id, Http2Session::ResetCode::kCancel);
  };
  pair.client.session.Write(id, Bytes(std::string(100'000, 'x')));
  Exchange(pair.client, pair.server);
  EXPECT_TRUE(pair.server.Notes(id).closed);
  EXPECT_EQ(pair.client.blocks.outstanding(), 0u);
}

TEST(Http2SessionTest, OpensAsManyStreamsAsItExpectsUntilItIsTold) {
  for (const uint32_t expected : {100u, 1000u}) {
    Http2Session::Options options = Options(Http2Session::Role::kClient);
    options.expected_streams = expected;
    Http2Peer client(options);
    EXPECT_EQ(client.session.stream_limit(), expected);
    Http2Peer server(Options(Http2Session::Role::kServer));
    Exchange(client, server);
    EXPECT_EQ(client.session.stream_limit(), 1000u);
  }
}

TEST(Http2SessionTest, LetsStreamsThatAreNotReadFillTheConnectionNoFurtherThanItsLimit) {
  Http2Session::Options small = Options(Http2Session::Role::kServer);
  small.connection_window = 512 * 1024;
  Http2Peer client(Options(Http2Session::Role::kClient));
  Http2Peer server(small);
  server.reads = false;
  for (int i = 0; i < 40; ++i) {
    client.session.Write(client.Request(kPost, Message::kGoesOn),
                         Bytes(std::string(256 * 1024, 'x')));
  }
  Exchange(client, server);
  size_t held = 0;
  for (const auto& [id, notes] : server.streams) held += notes->unread;
  EXPECT_LE(held, 2u * 512 * 1024);
}

TEST(Http2SessionTest, TellsAResetFromARefusalAndFromTheConnectionsEnd) {
  Pair pair;
  const int32_t reset = pair.client.Request(kGet, Message::kComplete);
  const int32_t refused = pair.client.Request(kGet, Message::kComplete);
  const int32_t cut = pair.client.Request(kGet, Message::kComplete);
  Exchange(pair.client, pair.server);
  pair.server.session.Reset(reset, Http2Session::ResetCode::kInternal);
  pair.server.session.Reset(refused, Http2Session::ResetCode::kRefused);
  Exchange(pair.client, pair.server);
  pair.client.session.CloseAll("gone");
  EXPECT_EQ(pair.client.Notes(reset).cause, Http2Close::Cause::kReset);
  EXPECT_EQ(pair.client.Notes(refused).cause, Http2Close::Cause::kUnprocessed);
  EXPECT_EQ(pair.client.Notes(cut).cause, Http2Close::Cause::kConnection);
}

TEST(Http2SessionTest, DrainsWithoutLosingARequest) {
  Pair pair;
  const int32_t before = pair.client.Request(kGet, Message::kComplete);
  Exchange(pair.client, pair.server);
  pair.server.session.AnnounceDrain();
  // On its way while the notice is.
  const int32_t crossing = pair.client.Request(kGet, Message::kComplete);
  Exchange(pair.client, pair.server);
  EXPECT_TRUE(pair.client.drains);
  pair.server.session.FinishDrain();
  Exchange(pair.client, pair.server);
  for (int32_t id : {before, crossing}) {
    pair.server.session.SubmitResponse(id, kOk, Message::kComplete);
  }
  Exchange(pair.client, pair.server);
  EXPECT_TRUE(absl::StrContains(pair.client.Notes(before).text, "200"));
  EXPECT_TRUE(pair.client.Notes(crossing).closed);
  const bool served = absl::StrContains(pair.client.Notes(crossing).text, "200");
  EXPECT_TRUE(served || pair.client.Notes(crossing).cause == Http2Close::Cause::kUnprocessed);
  EXPECT_TRUE(pair.server.session.finished());
}

TEST(Http2SessionTest, StopsAClientWhoseRequestIsAnsweredEarly) {
  Pair pair;
  const int32_t id = pair.client.Request(kPost, Message::kGoesOn);
  pair.client.session.Write(id, Bytes("part"));
  Exchange(pair.client, pair.server);
  pair.server.session.SubmitResponse(id, kOk, Message::kGoesOn);
  pair.server.session.Write(id, Bytes("no thanks"));
  pair.server.session.End(id, {});
  pair.server.session.Release(id);
  Exchange(pair.client, pair.server);
  EXPECT_EQ(pair.client.Notes(id).text, "200;end;");
  EXPECT_EQ(pair.client.Notes(id).body, "no thanks");
  EXPECT_EQ(pair.client.session.streams(), 0u);
  EXPECT_EQ(pair.server.session.streams(), 0u);
}

TEST(Http2SessionTest, StopsAClientOnlyBehindAHeadThatIsTheWholeAnswer) {
  Pair pair;
  const int32_t id = pair.client.Request(kPost, Message::kGoesOn);
  Exchange(pair.client, pair.server);
  pair.server.session.SubmitResponse(id, kOk, Message::kComplete);
  pair.server.session.Release(id);
  Exchange(pair.client, pair.server);
  EXPECT_EQ(pair.client.Notes(id).text, "200 complete;end;");
  EXPECT_EQ(pair.client.Notes(id).cause, Http2Close::Cause::kComplete);
  EXPECT_EQ(pair.server.session.streams(), 0u);
}

TEST(Http2SessionTest, StopsAClientOnlyBehindTrailers) {
  Pair pair;
  const int32_t id = pair.client.Request(kPost, Message::kGoesOn);
  Exchange(pair.client, pair.server);
  pair.server.session.SubmitResponse(id, kOk, Message::kGoesOn);
  const Header trailers[] = {{"grpc-status", "3"}};
  pair.server.session.End(id, trailers);
  pair.server.session.Release(id);
  Exchange(pair.client, pair.server);
  EXPECT_EQ(pair.client.Notes(id).text, "200;grpc-status=3;end;");
  EXPECT_EQ(pair.client.Notes(id).cause, Http2Close::Cause::kComplete);
  EXPECT_EQ(pair.server.session.streams(), 0u);
}

TEST(Http2SessionTest, RefusesWhatCouldBeReadTwoWays) {
  const std::string kLine = GetFields();
  const struct {
    std::string fields;
    const char* why;
  } kCases[] = {
      {absl::StrCat(kLine, Field("x", "a\r\nb")), "CR LF in a value"},
      {absl::StrCat(kLine, Field("x", absl::string_view("a\0b", 3))), "NUL in a value"},
      {absl::StrCat(kLine, Field("x", " a")), "space around a value"},
      {absl::StrCat(kLine, Field("x y", "a")), "space in a name"},
      {absl::StrCat(kLine, Field("x:", "a")), "colon in a name"},
      {absl::StrCat(kLine, Field("", "a")), "empty name"},
      {absl::StrCat(kLine, Field("X", "a")), "upper case"},
      {absl::StrCat(kLine, Field("host", "b")), "host is not :authority"},
      {absl::StrCat(kLine, Field("host", "a"), Field("host", "a")), "two hosts"},
      {absl::StrCat(kLine, Field("connection", "close")), "connection"},
      {absl::StrCat(kLine, Field("transfer-encoding", "chunked")), "transfer-encoding"},
      {absl::StrCat(kLine, Field("upgrade", "x")), "upgrade"},
      {absl::StrCat(kLine, Field("te", "gzip")), "te"},
      {absl::StrCat(kLine, Field("content-length", "5")), "a length without a body"},
      {absl::StrCat(kLine, Field("content-length", "0"), Field("content-length", "0")), "two"},
      {absl::StrCat(kLine, Field(":path", "/y")), "two paths"},
      {absl::StrCat(kLine, Field("content_length", "1")), "an alias of a length"},
      {absl::StrCat(Field(":method", "GET"), Field(":scheme", "http"), Field(":path", "x"),
                    Field(":authority", "a")),
       "a path without a slash"},
      {absl::StrCat(Field(":method", "GET"), Field(":scheme", "http"), Field(":path", "http://b/"),
                    Field(":authority", "a")),
       "a second authority"},
      {absl::StrCat(Field(":method", "GET"), Field(":scheme", "http"), Field(":path", "/ HTTP/1.1"),
                    Field(":authority", "a")),
       "a space in the path"},
      {absl::StrCat(Field(":method", "GET"), Field(":scheme", "http"), Field(":path", "/#x"),
                    Field(":authority", "a")),
       "a fragment"},
      {absl::StrCat(Field(":method", "get"), Field(":scheme", "http"), Field(":path", "/"),
                    Field(":authority", "a")),
       "a method in lower case"},
      {absl::StrCat(Field(":method", "GET"), Field(":scheme", "http"), Field(":path", "/"),
                    Field(":authority", "a b")),
       "a space in the authority"},
      {absl::StrCat(Field(":method", "GET"), Field(":scheme", "http"), Field(":path", "/")),
       "no host at all"},
      {absl::StrCat(Field(":method", "GET"), Field(":path", "/"), Field(":authority", "a")),
       "no scheme"},
  };
  for (const auto& each : kCases) {
    Attacked attacked(Frame(kHeaders, kEndStream | kEndHeaders, 1, each.fields));
    EXPECT_TRUE(attacked.server.streams.empty()) << each.why;
    EXPECT_FALSE(attacked.server.refused.empty()) << each.why;
  }
}

TEST(Http2SessionTest, RefusesABodyThatIsNotAsLongAsAnnounced) {
  const std::string fields =
      absl::StrCat(Field(":method", "POST"), Field(":scheme", "http"), Field(":path", "/"),
                   Field(":authority", "a"), Field("content-length", "5"));
  Attacked shorter(
      absl::StrCat(Frame(kHeaders, kEndHeaders, 1, fields), Frame(kData, kEndStream, 1, "abc")));
  (void)shorter.server.Output();
  EXPECT_FALSE(absl::StrContains(shorter.server.Notes(1).text, "end;"));
  EXPECT_TRUE(shorter.server.Notes(1).closed);
}

TEST(Http2SessionTest, JoinsCookiesAndKeepsOneHost) {
  Attacked quiet(Frame(kHeaders, kEndStream | kEndHeaders, 1,
                       absl::StrCat(GetFields(), Field("cookie", "a=1"), Field("host", "A"),
                                    Field("cookie", "b=2"), Field("te", "trailers"))));
  EXPECT_EQ(quiet.server.Notes(1).text, "GET / a complete;host=a;te=trailers;cookie=a=1; b=2;end;");
}

TEST(Http2SessionTest, CutsOffWhoeverFloods) {
  const std::string head = Frame(kHeaders, kEndStream | kEndHeaders, 1, GetFields());
  const auto repeated = [](int count, const std::function<std::string(int)>& frame) {
    std::string all;
    for (int i = 0; i < count; ++i) all += frame(i);
    return all;
  };
  const std::string resets = repeated(1100, [](int i) {
    const uint32_t id = static_cast<uint32_t>(2 * i + 1);
    return Frame(kHeaders, kEndStream | kEndHeaders, id, GetFields()) +
           Frame(kReset, 0, id, absl::string_view("\0\0\0\x8", 4));
  });
  const std::string pings = repeated(1100, [](int) { return Frame(kPing, 0, 0, "12345678"); });
  const std::string settings = repeated(1100, [](int) { return Frame(kSettings, 0, 0, ""); });
  const std::string empties = Frame(kHeaders, kEndHeaders, 1,
                                    absl::StrCat(Field(":method", "POST"), Field(":scheme", "http"),
                                                 Field(":path", "/"), Field(":authority", "a"))) +
                              repeated(200, [](int) { return Frame(kData, 0, 1, ""); });
  const std::string continuations =
      Frame(kHeaders, kEndStream, 1, GetFields()) +
      repeated(20, [](int) { return Frame(kContinuation, 0, 1, Field("x", "y")); });
  EXPECT_THAT(Attacked(resets).server.refused, Contains("http2_reset_flood"));
  EXPECT_THAT(Attacked(pings).server.refused, Contains("http2_control_flood"));
  // nghttp2 itself counts some of them, and is first.
  EXPECT_THAT(Attacked(settings).server.refused, Not(IsEmpty()));
  EXPECT_THAT(Attacked(empties).server.refused, Contains("http2_empty_frame_flood"));
  EXPECT_THAT(Attacked(continuations).server.refused, Not(IsEmpty()));
  Attacked attacked(pings);
  EXPECT_FALSE(attacked.status.ok());
  EXPECT_FALSE(attacked.server.Receive(head).ok()) << "it stays cut off";
}

TEST(Http2SessionTest, LetsAServerResetWhatItHasAnsweredEarly) {
  const absl::string_view no_error("\0\0\0\0", 4);
  Http2Peer client(Options(Http2Session::Role::kClient));
  ASSERT_TRUE(client.Receive(Frame(kSettings, 0, 0, "")).ok());
  for (int i = 0; i < 3000; ++i) {
    const int32_t id = client.Request(kPost, Message::kGoesOn);
    client.session.Write(id, Bytes("hello"));
    (void)client.Output();
    const auto stream = static_cast<uint32_t>(id);
    ASSERT_TRUE(client
                    .Receive(absl::StrCat(
                        Frame(kHeaders, kEndStream | kEndHeaders, stream, Field(":status", "200")),
                        Frame(kReset, 0, stream, no_error)))
                    .ok())
        << i;
    ASSERT_EQ(client.Notes(id).cause, Http2Close::Cause::kComplete);
    ASSERT_TRUE(client.Notes(id).closed);
  }
  EXPECT_THAT(client.refused, IsEmpty());
  // Without a request behind each it is a flood all the same.
  std::string resets;
  for (int i = 0; i < 3000; ++i) resets += Frame(kReset, 0, 1, no_error);
  EXPECT_FALSE(client.Receive(resets).ok());
  EXPECT_THAT(client.refused, Contains("http2_reset_flood"));
}

TEST(Http2SessionTest, CountsWhatAHeaderBlockDecodesTo) {
  // A large entry of the table, then one byte for each use of it.
  std::string bomb(1, '\x40');
  bomb += Field("x", std::string(3000, 'y')).substr(1);
  Attacked attacked(
      Frame(kHeaders, kEndStream | kEndHeaders, 1, GetFields() + bomb + std::string(200, '\xbe')));
  EXPECT_THAT(attacked.server.refused, ElementsAre("http2_header_bomb"));
  EXPECT_FALSE(attacked.status.ok());
}

TEST(Http2SessionTest, RefusesWhatIsNotHttp2) {
  Http2Peer server(Options(Http2Session::Role::kServer));
  EXPECT_FALSE(server.Receive("GET / HTTP/1.1\r\nHost: a\r\n\r\n").ok());
}

TEST(Http2SessionTest, LeavesNothingBehindWhereverTheConnectionIsCut) {
  Pair pair;
  const int32_t id = pair.client.Request(kPost, Message::kGoesOn);
  pair.client.session.Write(id, Bytes(std::string(3000, 'x')));
  pair.client.session.End(id, {});
  const std::string bytes = pair.client.Output();
  for (size_t cut = 0; cut <= bytes.size(); ++cut) {
    Http2Peer server(Options(Http2Session::Role::kServer));
    ASSERT_TRUE(server.Receive(bytes.substr(0, cut)).ok()) << cut;
    server.session.CloseAll("cut");
    EXPECT_EQ(server.session.streams(), 0u);
    EXPECT_EQ(server.blocks.outstanding(), 0u);
  }
}

}  // namespace
}  // namespace kith::http
