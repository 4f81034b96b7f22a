#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "source/http/http1_parser.h"
#include "test/http/transcript.h"

namespace kith::http {
namespace {

using E = ParseError;

ParseError ErrorOf(absl::string_view bytes, Http1Parser::Options options = {}) {
  Transcript transcript;
  Http1Parser parser(Http1Parser::Kind::kRequest, transcript, options);
  const absl::Status status = FeedAll(parser, bytes);
  EXPECT_EQ(FromStatus(status), parser.error()) << status;
  return parser.error();
}

std::string TranscriptOf(absl::string_view bytes) {
  Transcript transcript;
  Http1Parser parser(Http1Parser::Kind::kRequest, transcript);
  const absl::Status status = FeedAll(parser, bytes);
  EXPECT_TRUE(status.ok()) << status << " for " << bytes;
  return transcript.text();
}

struct Refused {
  std::string bytes;
  ParseError error;
};

void ExpectAll(const std::vector<Refused>& table) {
  for (const Refused& row : table) {
    EXPECT_EQ(ToString(ErrorOf(row.bytes)), ToString(row.error)) << row.bytes;
  }
}

// Complete request with these lines between the request line and the empty line.
std::string With(absl::string_view headers, absl::string_view line = "POST / HTTP/1.1") {
  return std::string(line) + "\r\n" + std::string(headers) + "\r\n";
}

TEST(Http1RequestTest, DeliversARequestWithEverythingItSays) {
  EXPECT_EQ(TranscriptOf("POST /a?b=c HTTP/1.1\r\nHost: Example.com:8080\r\nX-Empty:\r\n"
                         "X-Padded: \t two  words \t\r\nX-Raw: \xc3\xa9\r\nExpect: 100-continue\r\n"
                         "Content-Length: 5\r\n\r\nhello"),
            "request POST /a?b=c 1.1 path=/a?b=c host=Example.com:8080 expects length=5 keep\n"
            "header Host=Example.com:8080\nheader X-Empty=\nheader X-Padded=two  words\n"
            "header X-Raw=\xc3\xa9\nheader Expect=100-continue\nheader Content-Length=5\n"
            "body hello\ncomplete\n");
}

TEST(Http1RequestTest, ToleratesOneEmptyLineBeforeTheRequestLineAndNoMore) {
  EXPECT_EQ(TranscriptOf("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
            "request GET / 1.1 path=/ host=a none keep\nheader Host=a\ncomplete\n");
  ExpectAll({{"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", E::kBadRequestLine},
             {"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", E::kBareCrOrLf},
             {"\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", E::kBareCrOrLf}});
}

TEST(Http1RequestTest, RefusesMalformedRequestLines) {
  ExpectAll({
      {With("Host: a\r\n", "get / HTTP/1.1"), E::kBadMethod},
      {With("Host: a\r\n", "Get / HTTP/1.1"), E::kBadMethod},
      {With("Host: a\r\n", "G@T / HTTP/1.1"), E::kBadMethod},
      {With("Host: a\r\n", "G\tT / HTTP/1.1"), E::kBadMethod},
      {With("Host: a\r\n", std::string(33, 'A') + " / HTTP/1.1"), E::kBadMethod},
      {"\x16\x03\x01\x02", E::kBadMethod},  // A TLS ClientHello is refused at its first byte.
      {With("Host: a\r\n", " GET / HTTP/1.1"), E::kBadRequestLine},
      {With("Host: a\r\n", "GET  / HTTP/1.1"), E::kBadRequestLine},
      {With("Host: a\r\n", "GET\t/ HTTP/1.1"), E::kBadMethod},
      {With("Host: a\r\n", "GET /  HTTP/1.1"), E::kBadRequestLine},
      {With("Host: a\r\n", "GET / HTTP/1.1 "), E::kBadRequestLine},
      {With("Host: a\r\n", "GET / x HTTP/1.1"), E::kBadRequestLine},
      {With("Host: a\r\n", "GET /"), E::kBadRequestLine},
      {With("Host: a\r\n", "GET"), E::kBadRequestLine},
      {With("Host: a\r\n", "GET / http/1.1"), E::kBadRequestLine},
      {With("Host: a\r\n", "GET / HTTP/11"), E::kBadRequestLine},
      {With("Host: a\r\n", "GET / HTTP/1.10"), E::kBadRequestLine},
      {With("Host: a\r\n", "GET / HTTP/2.0"), E::kBadVersion},
      {With("Host: a\r\n", "GET / HTTP/1.2"), E::kBadVersion},
      {With("Host: a\r\n", "GET / HTTP/0.9"), E::kBadVersion},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", E::kBadVersion},
  });
}

TEST(Http1RequestTest, RefusesTargetsThatAreNotWhatTheirMethodAllows) {
  ExpectAll({
      {With("Host: a\r\n", "GET admin HTTP/1.1"), E::kBadTarget},
      {With("Host: a\r\n", "GET \\admin HTTP/1.1"), E::kBadTarget},
      {With("Host: a\r\n", "GET /a#b HTTP/1.1"), E::kBadTarget},
      {With("Host: a\r\n", "GET /\xff HTTP/1.1"), E::kBadTarget},
      {With("Host: a\r\n", "GET /\x7f HTTP/1.1"), E::kBadTarget},
      {With("Host: a\r\n", std::string("GET /\0 HTTP/1.1", 15)), E::kBadTarget},
      {With("Host: a\r\n", "GET /\x01 HTTP/1.1"), E::kBadTarget},
      {With("Host: a\r\n", "GET * HTTP/1.1"), E::kBadTarget},
      {With("Host: a\r\n", "OPTIONS ** HTTP/1.1"), E::kBadTarget},
      {With("Host: a\r\n", "GET a:80 HTTP/1.1"), E::kBadTarget},
      {With("Host: a\r\n", "GET ftp://a/ HTTP/1.1"), E::kBadTarget},
      {With("Host: a\r\n", "GET http:/a/ HTTP/1.1"), E::kBadTarget},
      {With("Host: a\r\n", "GET http:///x HTTP/1.1"), E::kBadTarget},
      {With("Host: a\r\n", "GET http://user@a/ HTTP/1.1"), E::kBadTarget},
      {With("Host: a\r\n", "GET http://a?x HTTP/1.1"), E::kBadTarget},
      {With("Host: a:80\r\n", "CONNECT /a HTTP/1.1"), E::kBadTarget},
      {With("Host: a:80\r\n", "CONNECT a HTTP/1.1"), E::kBadTarget},
      {With("Host: [::1]\r\n", "CONNECT [::1] HTTP/1.1"), E::kBadTarget},
      {With("Host: a:80\r\n", "CONNECT http://a:80/ HTTP/1.1"), E::kBadTarget},
  });
}

TEST(Http1RequestTest, ReadsEveryTargetForm) {
  EXPECT_EQ(TranscriptOf("GET HTTP://A.b:80/x?y HTTP/1.1\r\nHost: a.B:80\r\n\r\n"),
            "request GET HTTP://A.b:80/x?y 1.1 path=/x?y host=a.B:80 none keep\n"
            "header Host=a.B:80\ncomplete\n");
  EXPECT_EQ(TranscriptOf("GET https://a HTTP/1.1\r\nHost: a\r\n\r\n"),
            "request GET https://a 1.1 path=/ host=a none keep\nheader Host=a\ncomplete\n");
  EXPECT_EQ(TranscriptOf("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
            "request OPTIONS * 1.1 path=* host=a none keep\nheader Host=a\ncomplete\n");
  EXPECT_EQ(TranscriptOf("CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\r\n"),
            "request CONNECT [::1]:443 1.1 path= host=[::1]:443 connect none keep\n"
            "header Host=[::1]:443\ncomplete\n");
}

TEST(Http1RequestTest, RefusesMalformedHeaderLines) {
  ExpectAll({
      {With("Host : a\r\n"), E::kBadHeaderName},
      {With("Host\t: a\r\n"), E::kBadHeaderName},
      {With("Host: a\r\n: b\r\n"), E::kBadHeaderName},
      {With("Host: a\r\nNoColon\r\n"), E::kBadHeaderName},
      {With("Host: a\r\nX Y: b\r\n"), E::kBadHeaderName},
      {With("Host: a\r\nX(: b\r\n"), E::kBadHeaderName},
      {With("Host: a\r\nX\xc3: b\r\n"), E::kBadHeaderName},
      {With(std::string("Host: a\r\nX\0Y: b\r\n", 17)), E::kBadHeaderName},
      {With(std::string("Host: a\r\nX: b\0c\r\n", 17)), E::kBadHeaderValue},
      {With("Host: a\r\nX: b\x01\r\n"), E::kBadHeaderValue},
      {With("Host: a\r\nX: b\x7f\r\n"), E::kBadHeaderValue},
      {With("Host: a\r\nX: \x0b"
            "b\r\n"),
       E::kBadHeaderValue},
      {With("Host: a\r\nX: b\r\n c\r\n"), E::kObsFold},
      {With("Host: a\r\nX: b\r\n\tc\r\n"), E::kObsFold},
      {With(" Host: a\r\n"), E::kObsFold},
      {With("Host: a\r\nContent_Length: 5\r\n"), E::kBadHeaderName},
      {With("Host: a\r\nTRANSFER_ENCODING: chunked\r\n"), E::kBadHeaderName},
  });
}

TEST(Http1RequestTest, RefusesEveryLineEndButCrLf) {
  ExpectAll({
      {"GET / HTTP/1.1\nHost: a\r\n\r\n", E::kBareCrOrLf},
      {"GET /\nHost: a\r\n\r\n", E::kBareCrOrLf},
      {"GET\n", E::kBareCrOrLf},
      {"GET / HTTP/1.1\r\nHost: a\n\r\n", E::kBareCrOrLf},
      {"GET / HTTP/1.1\r\nHost: a\r\n\n", E::kBareCrOrLf},
      {"GET / HTTP/1.1\r\nHost: a\r\nX\n\r\n", E::kBareCrOrLf},
      {"GET / HTTP/1.1\r\nHost: a\r\n\rX", E::kBareCrOrLf},
      {"GET / HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n", E::kBareCrOrLf},
      {"GET / HTTP/1.1\rHost: a\r\n\r\n", E::kBareCrOrLf},
      // llhttp 8.1.0 made a Transfer-Encoding header of this (CVE-2023-30589).
      {"GET / HTTP/1.1\r\nHost: a\r\nX:\rTransfer-Encoding: chunked\r\n\r\n", E::kBareCrOrLf},
  });
}

TEST(Http1RequestTest, RequiresExactlyOneSoundHost) {
  ExpectAll({
      {With(""), E::kMissingHost},
      {With("Host:\r\n"), E::kMissingHost},
      {With("Host: a\r\nHost: a\r\n"), E::kDuplicateHost},
      {With("Host: a\r\nhOST: b\r\n"), E::kDuplicateHost},
      {With("Host: a b\r\n"), E::kBadHost},
      {With("Host: a,b\r\n"), E::kBadHost},
      {With("Host: a/b\r\n"), E::kBadHost},
      {With("Host: user@a\r\n"), E::kBadHost},
      {With("Host: a%2eb\r\n"), E::kBadHost},
      {With("Host: \xc3\xa9\r\n"), E::kBadHost},
      {With("Host: :80\r\n"), E::kBadHost},
      {With("Host: a:\r\n"), E::kBadHost},
      {With("Host: a:8x\r\n"), E::kBadHost},
      {With("Host: a:65536\r\n"), E::kBadHost},
      {With("Host: a:80:90\r\n"), E::kBadHost},
      {With("Host: [::1\r\n"), E::kBadHost},
      {With("Host: [x]\r\n"), E::kBadHost},
      {With("Host: []\r\n"), E::kBadHost},
      {With("Host: [::1]x\r\n"), E::kBadHost},
      {With("Host: [::1]x80\r\n"), E::kBadHost},
      {With("Host: b\r\n", "GET http://a/ HTTP/1.1"), E::kHostMismatch},
      {With("Host: a\r\n", "GET http://a:80/ HTTP/1.1"), E::kHostMismatch},
      {With("Host: a:81\r\n", "CONNECT a:80 HTTP/1.1"), E::kHostMismatch},
      {With("Host: a\r\nHost: b\r\n", "GET / HTTP/1.0"), E::kDuplicateHost},
  });
  EXPECT_EQ(TranscriptOf("GET / HTTP/1.0\r\n\r\n"),
            "request GET / 1.0 path=/ host= none close\ncomplete\n");
}

TEST(Http1RequestTest, RefusesEveryAmbiguousLength) {
  const std::string host = "Host: a\r\n";
  ExpectAll({
      {With(host + "Content-Length:\r\n"), E::kBadContentLength},
      {With(host + "Content-Length: +5\r\n"), E::kBadContentLength},
      {With(host + "Content-Length: -5\r\n"), E::kBadContentLength},
      {With(host + "Content-Length: 0x5\r\n"), E::kBadContentLength},
      {With(host + "Content-Length: 5 5\r\n"), E::kBadContentLength},
      {With(host + "Content-Length: 5, 5\r\n"), E::kBadContentLength},
      {With(host + "Content-Length: 5.0\r\n"), E::kBadContentLength},
      {With(host + "Content-Length: 18446744073709551616\r\n"), E::kBadContentLength},
      {With(host + "Content-Length: 5\r\nContent-Length: 5\r\n"), E::kDuplicateContentLength},
      {With(host + "Content-Length: 5\r\ncontent-length: 6\r\n"), E::kDuplicateContentLength},
      {With(host + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), E::kConflictingLength},
      {With(host + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), E::kConflictingLength},
      {With(host + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
       E::kBadTransferEncoding},
      {With(host + "Transfer-Encoding:\r\n"), E::kBadTransferEncoding},
      {With(host + "Transfer-Encoding: chunked\r\n", "POST / HTTP/1.0"), E::kBadTransferEncoding},
      {With(host + "Transfer-Encoding: gzip\r\n"), E::kUnsupportedTransferEncoding},
      {With(host + "Transfer-Encoding: gzip, chunked\r\n"), E::kUnsupportedTransferEncoding},
      {With(host + "Transfer-Encoding: chunked, identity\r\n"), E::kUnsupportedTransferEncoding},
      {With(host + "Transfer-Encoding: chunked,\r\n"), E::kUnsupportedTransferEncoding},
      {With(host + "Transfer-Encoding: xchunked\r\n"), E::kUnsupportedTransferEncoding},
      {With(host + "Transfer-Encoding: \"chunked\"\r\n"), E::kUnsupportedTransferEncoding},
      {With(host + "Transfer-Encoding: chunked;q=1\r\n"), E::kUnsupportedTransferEncoding},
      {With("Host: a:80\r\nContent-Length: 1\r\n", "CONNECT a:80 HTTP/1.1"), E::kBodyNotAllowed},
      {With("Host: a:80\r\nTransfer-Encoding: chunked\r\n", "CONNECT a:80 HTTP/1.1"),
       E::kBodyNotAllowed},
  });
}

TEST(Http1RequestTest, RefusesMalformedChunks) {
  const std::string head = With("Host: a\r\nTransfer-Encoding: chunked\r\n");
  ExpectAll({
      {head + "\r\n", E::kBadChunk},
      {head + "x\r\n", E::kBadChunk},
      {head + "-1\r\n", E::kBadChunk},
      {head + " 1\r\na\r\n0\r\n\r\n", E::kBadChunk},
      {head + "1 \r\na\r\n0\r\n\r\n", E::kBadChunk},
      {head + "0x1\r\na\r\n0\r\n\r\n", E::kBadChunk},
      {head + "1;ext=1\r\na\r\n0\r\n\r\n", E::kBadChunk},
      {head + "1;\r\na\r\n0\r\n\r\n", E::kBadChunk},
      {head + "1\na\r\n0\r\n\r\n", E::kBadChunk},
      {head + "1\rxa\r\n", E::kBadChunk},
      {head + "1\r\naX\r\n", E::kBadChunk},
      {head + "1\r\na\n0\r\n\r\n", E::kBadChunk},
      {head + "1\r\na\rX", E::kBadChunk},
      {head + "10000000000000000\r\n", E::kBadChunk},
      {head + "00000000000000001\r\na\r\n", E::kBadChunk},
      {head + "0\r\nX : b\r\n\r\n", E::kBadHeaderName},
      {head + "0\r\nX: b\r\n c\r\n\r\n", E::kObsFold},
      {head + "0\r\nX: b\n\r\n", E::kBareCrOrLf},
      {head + "0\r\n\rX", E::kBareCrOrLf},
      {head + "0\r\nGET / HTTP/1.1\r\n\r\n", E::kBadHeaderName},
  });
}

TEST(Http1RequestTest, DeliversChunksAndDropsTrailersThatMustNotPass) {
  EXPECT_EQ(TranscriptOf(With("Host: a\r\nTransfer-Encoding: Chunked\r\n") +
                         "5\r\nhello\r\n00a\r\n, chunked!\r\n0\r\nX-Sum: 7\r\nContent-Length: 3\r\n"
                         "Authorization: b\r\nHost: evil\r\nTE: x\r\nTransfer_Encoding: c\r\n\r\n"),
            "request POST / 1.1 path=/ host=a chunked keep\nheader Host=a\n"
            "hop Transfer-Encoding=Chunked\nbody hello, chunked!\ntrailer X-Sum=7\ncomplete\n");
}

TEST(Http1RequestTest, CountsTheDigitsOfEachChunkAnew) {
  std::string bytes = With("Host: a\r\nTransfer-Encoding: chunked\r\n");
  for (int i = 0; i < 20; ++i) bytes += "01\r\nx\r\n";
  EXPECT_EQ(TranscriptOf(bytes + "0\r\n\r\n"),
            "request POST / 1.1 path=/ host=a chunked keep\nheader Host=a\n"
            "hop Transfer-Encoding=chunked\nbody xxxxxxxxxxxxxxxxxxxx\ncomplete\n");
}

TEST(Http1RequestTest, HearsExpectOnlyInHttp11) {
  EXPECT_EQ(TranscriptOf("GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n"),
            "request GET / 1.0 path=/ host= none close\nheader Expect=100-continue\ncomplete\n");
}

TEST(Http1RequestTest, MarksWhatConnectionNominatesAndRefusesToLoseEndToEndHeaders) {
  EXPECT_EQ(TranscriptOf("GET / HTTP/1.1\r\nHost: a\r\nX-Hop: 1\r\nUpgrade: websocket\r\n"
                         "Connection: Upgrade, x-hop,,\r\nConnection: TE\r\nTE: trailers\r\n\r\n"),
            "request GET / 1.1 path=/ host=a none keep upgrade=websocket\nheader Host=a\n"
            "hop X-Hop=1\nhop Upgrade=websocket\nhop Connection=Upgrade, x-hop,,\n"
            "hop Connection=TE\nhop TE=trailers\ncomplete\n");
  std::string many;
  for (int i = 0; i < 33; ++i) many += "x,";
  ExpectAll({{With("Host: a\r\nConnection: close, Host\r\n"), E::kBadConnection},
             {With("Host: a\r\nConnection: content-length\r\n"), E::kBadConnection},
             {With("Host: a\r\nConnection: Authorization\r\n"), E::kBadConnection},
             {With("Host: a\r\nConnection: x y\r\n"), E::kBadConnection},
             {With("Host: a\r\nConnection: " + many + "\r\n"), E::kBadConnection}});
}

TEST(Http1RequestTest, KnowsWhetherTheConnectionStays) {
  const auto keeps = [](const std::string& bytes) {
    return TranscriptOf(bytes).find(" keep\n") != std::string::npos;
  };
  EXPECT_TRUE(keeps("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
  EXPECT_FALSE(keeps("GET / HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\n"));
  EXPECT_FALSE(keeps("GET / HTTP/1.0\r\nHost: a\r\n\r\n"));
  EXPECT_TRUE(keeps("GET / HTTP/1.0\r\nHost: a\r\nConnection: Keep-Alive\r\n\r\n"));
  EXPECT_FALSE(keeps("GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, close\r\n\r\n"));
  // An upgrade that Connection does not nominate, or of HTTP/1.0, is none.
  EXPECT_EQ(TranscriptOf("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n\r\n").find("upgrade="),
            std::string::npos);
}

TEST(Http1RequestTest, BoundsHeadHeadersAndTrailers) {
  Http1Parser::Options options;
  options.max_head_bytes = 64;
  options.max_headers = 3;
  options.max_trailer_bytes = 20;
  const std::string line = "GET / HTTP/1.1\r\nHost: a\r\n";  // 25 bytes.
  const std::string fits = line + "X: " + std::string(64 - 25 - 3 - 4, 'x') + "\r\n\r\n";
  ASSERT_EQ(fits.size(), 64u);
  EXPECT_EQ(ErrorOf(fits, options), E::kNone);
  EXPECT_EQ(ErrorOf(line + "X: " + std::string(64, 'x'), options), E::kHeadTooLarge);
  EXPECT_EQ(ErrorOf(fits.substr(0, 60) + "x\r\n\r\n", options), E::kHeadTooLarge);
  EXPECT_EQ(ErrorOf("GET /" + std::string(64, 'x'), options), E::kTargetTooLong);
  EXPECT_EQ(ErrorOf(line + "A:\r\nB:\r\n\r\n", options), E::kNone);
  EXPECT_EQ(ErrorOf(line + "A:\r\nB:\r\nC:\r\n\r\n", options), E::kTooManyHeaders);
  options.max_head_bytes = 1024;
  const std::string chunked =
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n";
  EXPECT_EQ(ErrorOf(chunked + "A: 1\r\nB: 2\r\nC: 3\r\n\r\n", options), E::kNone);
  EXPECT_EQ(ErrorOf(chunked + "A: 1\r\nB: 2\r\nC: 34\r\n\r\n", options), E::kTrailersTooLarge);
}

TEST(Http1RequestTest, NamesTheStatusToAnswerWith) {
  EXPECT_EQ(HttpStatus(E::kBadRequestLine), 400);
  EXPECT_EQ(HttpStatus(E::kTargetTooLong), 414);
  EXPECT_EQ(HttpStatus(E::kHeadTooLarge), 431);
  EXPECT_EQ(HttpStatus(E::kTooManyHeaders), 431);
  EXPECT_EQ(HttpStatus(E::kUnsupportedTransferEncoding), 501);
  EXPECT_EQ(HttpStatus(E::kBadVersion), 505);
}

TEST(Http1RequestTest, GivesEveryErrorANameASentenceAndAPayload) {
  for (int i = 1; i < kParseErrorCount; ++i) {
    const ParseError error = static_cast<ParseError>(i);
    EXPECT_FALSE(ToString(error).empty());
    EXPECT_EQ(ToString(error).find_first_not_of("abcdefghijklmnopqrstuvwxyz_"),
              absl::string_view::npos);
    EXPECT_EQ(FromStatus(ToStatus(error)), error);
    EXPECT_GE(HttpStatus(error), 400);
    for (int j = 0; j < i; ++j) {
      EXPECT_NE(ToString(error), ToString(static_cast<ParseError>(j)));
    }
  }
  EXPECT_TRUE(ToStatus(E::kNone).ok());
  EXPECT_EQ(FromStatus(absl::InternalError("other")), E::kNone);
}

}  // namespace
}  // namespace kith::http
