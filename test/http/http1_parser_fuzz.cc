// Whatever the bytes: no crash, the same events and the same error whole and in pieces, and a
// request that is accepted, written out again and read again says the same.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "source/base/check.h"
#include "source/http/http1_parser.h"
#include "source/http/serialize.h"
#include "test/http/transcript.h"
#include "test/support/fuzz_driver.h"

namespace kith::http {
namespace {

struct Result {
  std::string text;
  ParseError error;
};

Http1Parser::Options SmallLimits() {
  Http1Parser::Options options;
  options.max_head_bytes = 512;  // So that mutations reach them.
  options.max_headers = 12;
  options.max_trailer_bytes = 64;
  return options;
}

// `cuts` decides the sizes of the pieces; empty means whole.
Result Run(Http1Parser::Kind kind, const ResponseContext& context, absl::string_view bytes,
           absl::string_view cuts) {
  Transcript transcript;
  Http1Parser parser(kind, transcript, SmallLimits());
  const ResponseContext* expected = kind == Http1Parser::Kind::kResponse ? &context : nullptr;
  absl::Status status;
  size_t cut = 0;
  do {
    size_t size = bytes.size();
    if (!cuts.empty()) {
      size = std::min<size_t>(size, 1 + static_cast<uint8_t>(cuts[cut++ % cuts.size()]) % 40);
    }
    // On the heap in its exact size: a view that outlives its piece is found by the sanitizer.
    const std::vector<char> piece(bytes.begin(), bytes.begin() + static_cast<long>(size));
    status = FeedAll(parser, absl::string_view(piece.data(), piece.size()), expected);
    bytes.remove_prefix(size);
  } while (status.ok() && !bytes.empty());
  if (status.ok()) (void)parser.FinishOnEof();
  KITH_CHECK(FromStatus(status) == ParseError::kNone || FromStatus(status) == parser.error(),
             "the status and the parser agree");
  return {transcript.text(), parser.error()};
}

// Writes each request as a proxy would, and reads it back.
class Rewriter : public Http1Handler {
 public:
  void OnRequestHead(const RequestHead& head) override {
    KITH_CHECK(WriteRequestLine(head.method, head.target, out), "a parsed request line is sound");
    for (const Header& header : head.headers) {
      KITH_CHECK(WriteHeader(header.name, header.value, out), "a parsed header is sound");
    }
    chunked_ = head.framing.kind == BodyKind::kChunked;
    EndHead(out);
  }
  void OnBody(absl::Span<const uint8_t> bytes) override {
    if (chunked_) {
      WriteChunk(bytes, out);
    } else {
      out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    }
  }
  void OnTrailers(absl::Span<const Header> trailers) override {
    WriteLastChunk(trailers, out);
    chunked_ = false;
  }
  void OnMessageComplete() override {
    if (chunked_) WriteLastChunk({}, out);
    whole = out;
  }

  std::string out;
  std::string whole;  // Complete messages only.

 private:
  bool chunked_ = false;
};

void CheckRewritten(absl::string_view bytes) {
  Rewriter rewriter;
  Http1Parser parser(Http1Parser::Kind::kRequest, rewriter);
  (void)FeedAll(parser, bytes);
  Rewriter again;
  Http1Parser::Options larger;  // "X:a" is written "X: a".
  larger.max_head_bytes *= 2;
  larger.max_trailer_bytes *= 2;
  Http1Parser second(Http1Parser::Kind::kRequest, again, larger);
  // HTTP/1.0 is forwarded as 1.1, where a head without Host, or one that is kept open, is refused.
  if (bytes.find("HTTP/1.0") != absl::string_view::npos) return;
  KITH_CHECK(FeedAll(second, rewriter.whole).ok(), "a rewritten request is accepted");
  KITH_CHECK(again.whole == rewriter.whole, "a rewritten request says the same");
}

}  // namespace
}  // namespace kith::http

// The first byte chooses how the rest is cut and what a response answers.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kith::http;
  if (size < 2) return 0;
  const absl::string_view cuts(reinterpret_cast<const char*>(data), 2);
  const absl::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  ResponseContext context;
  context.to_head = (data[0] & 7) == 1;
  context.to_connect = (data[0] & 7) == 2;
  context.upgrade_offered = (data[0] & 7) == 3;
  for (const Http1Parser::Kind kind : {Http1Parser::Kind::kRequest, Http1Parser::Kind::kResponse}) {
    const Result whole = Run(kind, context, bytes, "");
    for (absl::string_view pieces : {cuts, absl::string_view("\0", 1)}) {
      const Result cut = Run(kind, context, bytes, pieces);
      KITH_CHECK(cut.error == whole.error, "the error does not depend on how bytes are cut");
      KITH_CHECK(cut.text == whole.text, "events do not depend on how bytes are cut");
    }
  }
  CheckRewritten(bytes);
  return 0;
}
