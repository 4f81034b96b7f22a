// How the parser behaves over time: pieces, pipelines, pauses and ends.
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "source/http/http1_parser.h"
#include "test/http/transcript.h"

namespace kith::http {
namespace {

const char kConversation[] =
    "\r\nPOST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    "5\r\nhello\r\n1f\r\n0123456789012345678901234567890\r\n0\r\nX-Sum: abc\r\nX-T:  d \r\n\r\n"
    "GET /x?y=z HTTP/1.1\r\nHost: example.com\r\nX-Long: "
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n"
    "\r\n"
    "PUT / HTTP/1.1\r\nHost: b\r\nContent-Length: 10\r\n\r\n0123456789"
    "POST / HTTP/1.1\r\nHost: c\r\nContent-Length: 0\r\n\r\n";

std::string Whole(absl::string_view bytes) {
  Transcript transcript;
  Http1Parser parser(Http1Parser::Kind::kRequest, transcript);
  EXPECT_TRUE(FeedAll(parser, bytes).ok());
  EXPECT_TRUE(parser.idle());
  return transcript.text();
}

TEST(Http1FlowTest, DeliversTheSameHoweverTheBytesAreCut) {
  const std::string bytes = kConversation;
  const std::string expected = Whole(bytes);
  for (size_t cut = 0; cut <= bytes.size(); ++cut) {
    Transcript transcript;
    Http1Parser parser(Http1Parser::Kind::kRequest, transcript);
    // Copies of their own, so that a view kept past its Feed() is a sanitizer's report.
    const std::string first = bytes.substr(0, cut), second = bytes.substr(cut);
    ASSERT_TRUE(FeedAll(parser, first).ok()) << cut;
    ASSERT_TRUE(FeedAll(parser, second).ok()) << cut;
    ASSERT_EQ(transcript.text(), expected) << cut;
  }
}

TEST(Http1FlowTest, DeliversTheSameByteByByte) {
  const std::string bytes = kConversation;
  Transcript transcript;
  Http1Parser parser(Http1Parser::Kind::kRequest, transcript);
  for (char c : bytes) {
    const std::vector<char> one(1, c);
    ASSERT_TRUE(FeedAll(parser, absl::string_view(one.data(), 1)).ok());
  }
  EXPECT_EQ(transcript.text(), Whole(bytes));
}

TEST(Http1FlowTest, KeepsAHeadThatOutgrowsItsFirstBuffer) {
  std::string bytes = "GET / HTTP/1.1\r\nHost: a\r\n";
  for (int i = 0; i < 60; ++i)
    bytes += "X-" + std::to_string(i) + ": " + std::string(200, 'v') + "\r\n";
  bytes += "\r\n";
  for (const size_t step : {size_t{1}, size_t{7}, size_t{1000}}) {
    Transcript transcript;
    Http1Parser parser(Http1Parser::Kind::kRequest, transcript);
    for (size_t at = 0; at < bytes.size(); at += step) {
      const std::string piece = bytes.substr(at, step);
      ASSERT_TRUE(FeedAll(parser, piece).ok());
    }
    EXPECT_EQ(transcript.text(), Whole(bytes)) << step;
  }
}

TEST(Http1FlowTest, ReportsTheSameErrorByteByByte) {
  const std::string requests[] = {
      "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\nX:\rY: b\r\n\r\n",
      "GET /#a HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
      "GET / HTTP/3.0\r\nHost: a\r\n\r\n",
      "GET /" + std::string(40000, 'x'),
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x\r\n",
  };
  for (const std::string& bytes : requests) {
    Transcript a, b;
    Http1Parser whole(Http1Parser::Kind::kRequest, a), pieces(Http1Parser::Kind::kRequest, b);
    EXPECT_FALSE(FeedAll(whole, bytes).ok());
    for (char c : bytes) {
      if (!FeedAll(pieces, absl::string_view(&c, 1)).ok()) break;
    }
    EXPECT_NE(whole.error(), ParseError::kNone);
    EXPECT_EQ(ToString(whole.error()), ToString(pieces.error())) << bytes.substr(0, 80);
  }
}

TEST(Http1FlowTest, StopsAfterEachMessageSoThatPipelinedBytesStayWithTheCaller) {
  const std::string first = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n";
  const std::string both = first + "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n";
  Transcript transcript;
  Http1Parser parser(Http1Parser::Kind::kRequest, transcript);
  const absl::StatusOr<size_t> taken = parser.Feed(AsBytes(both));
  ASSERT_TRUE(taken.ok());
  EXPECT_EQ(*taken, first.size());
  EXPECT_EQ(transcript.messages(), 1);
  EXPECT_TRUE(parser.idle());
}

TEST(Http1FlowTest, LeavesWhatFollowsConnectUnread) {
  const std::string head = "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n";
  Transcript transcript;
  Http1Parser parser(Http1Parser::Kind::kRequest, transcript);
  const absl::StatusOr<size_t> taken = parser.Feed(AsBytes(head + "\x16\x03\x01"));
  ASSERT_TRUE(taken.ok());
  EXPECT_EQ(*taken, head.size());
}

class Pauser : public Transcript {
 public:
  void OnRequestHead(const RequestHead& head) override {
    Transcript::OnRequestHead(head);
    if (parser != nullptr) parser->Pause();
  }
  void OnBody(absl::Span<const uint8_t> bytes) override {
    Transcript::OnBody(bytes);
    if (parser != nullptr) parser->Pause();
  }
  Http1Parser* parser = nullptr;
};

TEST(Http1FlowTest, PausesWhereTheHandlerAsksAndGoesOnThere) {
  const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string bytes = head + "3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n";
  Pauser pauser;
  Http1Parser parser(Http1Parser::Kind::kRequest, pauser);
  pauser.parser = &parser;
  absl::string_view rest = bytes;
  std::vector<size_t> taken;
  while (pauser.messages() == 0) {
    const absl::StatusOr<size_t> step = parser.Feed(AsBytes(rest));
    ASSERT_TRUE(step.ok());
    taken.push_back(*step);
    rest.remove_prefix(*step);
  }
  EXPECT_EQ(taken, (std::vector<size_t>{head.size(), 6, 8, 7}));
  pauser.parser = nullptr;
  EXPECT_EQ(pauser.text(), Whole(bytes));
}

TEST(Http1FlowTest, CompletesAPausedRequestWithoutABodyWhenFedNothing) {
  Pauser pauser;
  Http1Parser parser(Http1Parser::Kind::kRequest, pauser);
  pauser.parser = &parser;
  ASSERT_TRUE(parser.Feed(AsBytes("GET / HTTP/1.1\r\nHost: a\r\n\r\n")).ok());
  EXPECT_EQ(pauser.messages(), 0);
  EXPECT_FALSE(parser.idle());
  ASSERT_TRUE(parser.Feed({}).ok());
  EXPECT_EQ(pauser.messages(), 1);
}

TEST(Http1FlowTest, RepeatsItsErrorForEver) {
  Transcript transcript;
  Http1Parser parser(Http1Parser::Kind::kRequest, transcript);
  EXPECT_FALSE(parser.Feed(AsBytes("bad")).ok());
  EXPECT_FALSE(parser.Feed(AsBytes("GET / HTTP/1.1\r\nHost: a\r\n\r\n")).ok());
  EXPECT_FALSE(parser.FinishOnEof().ok());
  EXPECT_EQ(parser.error(), ParseError::kBadMethod);
  EXPECT_EQ(transcript.text(), "");
}

TEST(Http1FlowTest, TakesAnEndOnlyBetweenMessages) {
  const std::string bytes = kConversation;
  const size_t first_end = bytes.find("GET ");
  for (size_t cut : {size_t{0}, size_t{1}, size_t{10}, first_end - 1, first_end}) {
    Transcript transcript;
    Http1Parser parser(Http1Parser::Kind::kRequest, transcript);
    ASSERT_TRUE(FeedAll(parser, bytes.substr(0, cut)).ok());
    EXPECT_EQ(parser.FinishOnEof().ok(), cut == 0 || cut == first_end) << cut;
  }
}

TEST(Http1FlowTest, DoesNotCopyAHeadThatArrivesWhole) {
  struct Looker : Transcript {
    void OnRequestHead(const RequestHead& head) override {
      method = head.method.data();
      value = head.headers[0].value.data();
    }
    const char* method = nullptr;
    const char* value = nullptr;
  } looker;
  const std::string bytes = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  Http1Parser parser(Http1Parser::Kind::kRequest, looker);
  ASSERT_TRUE(parser.Feed(AsBytes(bytes)).ok());
  EXPECT_EQ(looker.method, bytes.data());
  EXPECT_EQ(looker.value, bytes.data() + bytes.find("a\r"));
}

}  // namespace
}  // namespace kith::http
