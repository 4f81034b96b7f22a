#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "source/http/http1_parser.h"
#include "test/http/transcript.h"

namespace kith::http {
namespace {

using E = ParseError;

struct Outcome {
  std::string text;
  ParseError error;
};

Outcome Parse(absl::string_view bytes, ResponseContext context = {}) {
  Transcript transcript;
  Http1Parser parser(Http1Parser::Kind::kResponse, transcript);
  const absl::Status status = FeedAll(parser, bytes, &context);
  EXPECT_EQ(FromStatus(status), parser.error()) << status;
  return {transcript.text(), parser.error()};
}

TEST(Http1ResponseTest, DeliversEachFraming) {
  EXPECT_EQ(Parse("HTTP/1.1 200 All  right\r\nContent-Length: 2\r\n\r\nhi").text,
            "response 200 'All  right' 1.1 length=2 keep\nheader Content-Length=2\nbody hi\n"
            "complete\n");
  EXPECT_EQ(Parse("HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n").text,
            "response 200 '' 1.1 chunked keep\nhop Transfer-Encoding=chunked\nbody hi\n"
            "complete\n");
  // Sent so by applications; nothing else can be meant.
  EXPECT_EQ(Parse("HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n").text,
            "response 404 '' 1.1 length=0 keep\nheader Content-Length=0\ncomplete\n");
}

TEST(Http1ResponseTest, ReadsABodyUntilTheConnectionEnds) {
  Transcript transcript;
  Http1Parser parser(Http1Parser::Kind::kResponse, transcript);
  parser.ExpectResponse({});
  ASSERT_TRUE(parser.Feed(AsBytes("HTTP/1.1 200 OK\r\n\r\nsome")).ok());
  ASSERT_TRUE(parser.Feed(AsBytes(" bytes")).ok());
  EXPECT_EQ(transcript.messages(), 0);
  ASSERT_TRUE(parser.FinishOnEof().ok());
  EXPECT_EQ(transcript.text(),
            "response 200 'OK' 1.1 until_close close\nbody some bytes\ncomplete\n");
}

TEST(Http1ResponseTest, ExpectsNoBodyAfterHead) {
  ResponseContext context;
  context.to_head = true;
  EXPECT_EQ(Parse("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
                  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                  context)
                .text,
            "response 200 'OK' 1.1 none keep\nheader Content-Length=10\ncomplete\n"
            "response 200 'OK' 1.1 none keep\nhop Transfer-Encoding=chunked\ncomplete\n");
}

TEST(Http1ResponseTest, ExpectsNoBodyWith204And304) {
  EXPECT_EQ(Parse("HTTP/1.1 204 No Content\r\n\r\n"
                  "HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n")
                .text,
            "response 204 'No Content' 1.1 none keep\ncomplete\n"
            "response 304 'Not Modified' 1.1 none keep\nheader Content-Length=10\ncomplete\n");
  EXPECT_EQ(Parse("HTTP/1.1 204 x\r\nContent-Length: 1\r\n\r\n").error, E::kBodyNotAllowed);
  EXPECT_EQ(Parse("HTTP/1.1 204 x\r\nTransfer-Encoding: chunked\r\n\r\n").error,
            E::kBodyNotAllowed);
  EXPECT_EQ(Parse("HTTP/1.1 204 x\r\nContent-Length: 0\r\n\r\n").error, E::kNone);
}

TEST(Http1ResponseTest, DeliversInterimHeadsBeforeTheAnswer) {
  EXPECT_EQ(Parse("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
                  "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na")
                .text,
            "response 100 'Continue' 1.1 none keep\n"
            "response 103 'Early Hints' 1.1 none keep\nheader Link=x\n"
            "response 200 'OK' 1.1 length=1 keep\nheader Content-Length=1\nbody a\ncomplete\n");
  EXPECT_EQ(Parse("HTTP/1.1 100 Continue\r\nContent-Length: 1\r\n\r\n").error, E::kBodyNotAllowed);
  std::string flood;
  for (int i = 0; i < 17; ++i) flood += "HTTP/1.1 102 Processing\r\n\r\n";
  EXPECT_EQ(Parse(flood).error, E::kTooManyInterimResponses);
}

TEST(Http1ResponseTest, StopsBeforeATunnelsBytes) {
  for (const bool connect : {true, false}) {
    ResponseContext context;
    (connect ? context.to_connect : context.upgrade_offered) = true;
    const std::string head =
        connect ? "HTTP/1.1 200 OK\r\n\r\n"
                : "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n";
    Transcript transcript;
    Http1Parser parser(Http1Parser::Kind::kResponse, transcript);
    parser.ExpectResponse(context);
    const absl::StatusOr<size_t> taken = parser.Feed(AsBytes(head + "raw bytes"));
    ASSERT_TRUE(taken.ok()) << taken.status();
    EXPECT_EQ(*taken, head.size());
    EXPECT_EQ(transcript.messages(), 1);
  }
}

TEST(Http1ResponseTest, RefusesATunnelNobodyAskedFor) {
  EXPECT_EQ(Parse("HTTP/1.1 101 Switching Protocols\r\n\r\n").error, E::kUnexpectedUpgrade);
  ResponseContext connect;
  connect.to_connect = true;
  EXPECT_EQ(Parse("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", connect).error,
            E::kBodyNotAllowed);
  // A refused CONNECT is an ordinary answer.
  EXPECT_EQ(Parse("HTTP/1.1 403 No\r\nContent-Length: 1\r\n\r\nx", connect).text,
            "response 403 'No' 1.1 length=1 keep\nheader Content-Length=1\nbody x\ncomplete\n");
}

TEST(Http1ResponseTest, RefusesBytesNoRequestAskedFor) {
  Transcript transcript;
  Http1Parser parser(Http1Parser::Kind::kResponse, transcript);
  EXPECT_TRUE(parser.Feed({}).ok());
  EXPECT_FALSE(parser.Feed(AsBytes("H")).ok());
  EXPECT_EQ(parser.error(), E::kUnexpectedResponse);

  Http1Parser second(Http1Parser::Kind::kResponse, transcript);
  second.ExpectResponse({});
  const std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
  ASSERT_EQ(second.Feed(AsBytes(answer + answer)).value(), answer.size());
  EXPECT_FALSE(second.Feed(AsBytes(answer)).ok());
  EXPECT_EQ(second.error(), E::kUnexpectedResponse);
}

TEST(Http1ResponseTest, RefusesMalformedHeads) {
  const struct {
    std::string bytes;
    ParseError error;
  } table[] = {
      {"\r\nHTTP/1.1 200 OK\r\n\r\n", E::kBadStatusLine},
      {"http/1.1 200 OK\r\n\r\n", E::kBadStatusLine},
      {"HTTP/1.1  200 OK\r\n\r\n", E::kBadStatusLine},
      {"HTTP/1.1\t200 OK\r\n\r\n", E::kBadStatusLine},
      {"HTTP/1.1 20 OK\r\n\r\n", E::kBadStatusLine},
      {"HTTP/1.1 2000 OK\r\n\r\n", E::kBadStatusLine},
      {"HTTP/1.1 099 OK\r\n\r\n", E::kBadStatusLine},
      {"HTTP/1.1 600 OK\r\n\r\n", E::kBadStatusLine},
      {"HTTP/1.1 +20 OK\r\n\r\n", E::kBadStatusLine},
      {"HTTP/1.1 200 O\x01K\r\n\r\n", E::kBadStatusLine},
      {"HTTP/1.1\r\n\r\n", E::kBadStatusLine},
      {"HTTP/1.1 200 OK\n\r\n", E::kBareCrOrLf},
      {"HTTP/1.1 200\n", E::kBareCrOrLf},
      {"HTTP/1.1 200 OK\rX", E::kBareCrOrLf},
      {"HTTP/2.0 200 OK\r\n\r\n", E::kBadVersion},
      {"HTTP/1.1 200 OK\r\nX : y\r\n\r\n", E::kBadHeaderName},
      {"HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n", E::kObsFold},
      {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
       E::kDuplicateContentLength},
      {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
       E::kConflictingLength},
      {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", E::kBadTransferEncoding},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", E::kUnsupportedTransferEncoding},
      {"SSH-2.0-OpenSSH_9.2\r\n", E::kBadStatusLine},
  };
  for (const auto& row : table) {
    EXPECT_EQ(ToString(Parse(row.bytes).error), ToString(row.error)) << row.bytes;
  }
}

TEST(Http1ResponseTest, CallsAnEndBeforeTheAnswerTruncated) {
  for (const char* bytes : {"", "HTTP/1.1 2", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
                            "HTTP/1.1 100 Continue\r\n\r\n"}) {
    Transcript transcript;
    Http1Parser parser(Http1Parser::Kind::kResponse, transcript);
    parser.ExpectResponse({});
    ASSERT_TRUE(parser.Feed(AsBytes(bytes)).ok());
    EXPECT_FALSE(parser.FinishOnEof().ok()) << bytes;
    EXPECT_EQ(parser.error(), E::kTruncated);
  }
}

}  // namespace
}  // namespace kith::http
