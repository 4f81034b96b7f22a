#include "source/http/serialize.h"

#include <string>

#include "gtest/gtest.h"
#include "source/base/byte_chain.h"
#include "test/http/transcript.h"

namespace kith::http {
namespace {

std::string TextOf(base::ByteChain& chain) {
  std::string text;
  while (!chain.empty()) {
    const absl::Span<const uint8_t> front = chain.Front();
    text.append(reinterpret_cast<const char*>(front.data()), front.size());
    chain.Consume(front.size());
  }
  return text;
}

template <typename Out>
void WriteExchange(Out& out) {
  EXPECT_TRUE(WriteRequestLine("POST", "/a?b", out));
  EXPECT_TRUE(WriteHeader("Host", "a", out));
  EXPECT_TRUE(WriteHeader("X-Empty", "", out));
  EXPECT_TRUE(WriteHeader("Transfer-Encoding", "chunked", out));
  EndHead(out);
  WriteChunk(AsBytes("0123456789abcdefghij"), out);
  WriteChunk({}, out);
  const Header trailers[] = {{"X-Sum", "1"}, {"Content-Length", "5"}, {"X-Bad", "a\r\nb"}};
  WriteLastChunk(trailers, out);
}

constexpr char kExchange[] =
    "POST /a?b HTTP/1.1\r\nHost: a\r\nX-Empty: \r\nTransfer-Encoding: chunked\r\n\r\n"
    "14\r\n0123456789abcdefghij\r\n0\r\nX-Sum: 1\r\n\r\n";

TEST(SerializeTest, WritesTheSameToAStringAndToAChain) {
  std::string text;
  WriteExchange(text);
  EXPECT_EQ(text, kExchange);

  base::BlockPool pool;
  base::ByteChain chain(pool);
  WriteExchange(chain);
  EXPECT_EQ(TextOf(chain), kExchange);
}

TEST(SerializeTest, WritesAcrossBlocks) {
  base::BlockPool pool;
  base::ByteChain chain(pool);
  std::string expected;
  const std::string value(1000, 'v');
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(WriteHeader("X-Header", value, chain));
    ASSERT_TRUE(WriteHeader("X-Header", value, expected));
  }
  const std::string large(50000, 'b');
  WriteChunk(AsBytes(large), chain);
  WriteChunk(AsBytes(large), expected);
  EXPECT_EQ(TextOf(chain), expected);
}

TEST(SerializeTest, WritesWhatTheParserReads) {
  Transcript transcript;
  Http1Parser parser(Http1Parser::Kind::kRequest, transcript);
  EXPECT_TRUE(FeedAll(parser, kExchange).ok());
  EXPECT_EQ(transcript.messages(), 1);
}

TEST(SerializeTest, LetsNothingThroughThatEndsALineEarly) {
  std::string out;
  for (absl::string_view bad :
       {absl::string_view("a\r\nX: b"), absl::string_view("a\nb"), absl::string_view("a\rb"),
        absl::string_view("a\0b", 3), absl::string_view("a\x7f")}) {
    EXPECT_FALSE(WriteHeader("X", bad, out));
    EXPECT_FALSE(WriteHeader(bad, "x", out));
    EXPECT_FALSE(WriteRequestLine(bad, "/", out));
    EXPECT_FALSE(WriteRequestLine("GET", bad, out));
    EXPECT_FALSE(WriteStatusLine(200, bad, out));
  }
  EXPECT_FALSE(WriteHeader("", "x", out));
  EXPECT_FALSE(WriteHeader("X:", "x", out));
  EXPECT_FALSE(WriteHeader("X Y", "x", out));
  EXPECT_FALSE(WriteRequestLine("", "/", out));
  EXPECT_FALSE(WriteRequestLine("get", "/", out));
  EXPECT_FALSE(WriteRequestLine("GET", "", out));
  EXPECT_FALSE(WriteRequestLine("GET", "/a b", out));
  EXPECT_FALSE(WriteStatusLine(99, "", out));
  EXPECT_FALSE(WriteStatusLine(600, "", out));
  EXPECT_EQ(out, "");
}

TEST(SerializeTest, WritesStatusLinesWithTheirPhrase) {
  std::string out;
  EXPECT_TRUE(WriteStatusLine(404, ReasonPhrase(404), out));
  EXPECT_TRUE(WriteStatusLine(599, ReasonPhrase(599), out));
  EXPECT_EQ(out, "HTTP/1.1 404 Not Found\r\nHTTP/1.1 599 \r\n");
}

TEST(MessageTest, FindsHeadersWithoutRegardToCase) {
  const Header headers[] = {{"Accept", "a"}, {"accept", "b"}, {"Other", "c"}};
  ASSERT_NE(Find(headers, "ACCEPT"), nullptr);
  EXPECT_EQ(Find(headers, "ACCEPT")->value, "a");
  EXPECT_EQ(Find(headers, "missing"), nullptr);
}

TEST(MessageTest, KnowsHopByHopHeadersByName) {
  for (absl::string_view name : {"Connection", "keep-alive", "Proxy-Connection", "TE", "Upgrade",
                                 "TRANSFER-ENCODING", "HTTP2-Settings"}) {
    EXPECT_TRUE(IsHopByHop(name)) << name;
  }
  for (absl::string_view name : {"Host", "Content-Length", "Trailer", "Cookie", "X-Upgrade"}) {
    EXPECT_FALSE(IsHopByHop(name)) << name;
  }
}

}  // namespace
}  // namespace kith::http
