// What a head costs: parsed as the data path parses it, and with its path normalized.
#include <string>

#include "benchmark/benchmark.h"
#include "source/base/byte_chain.h"
#include "source/http/http1_parser.h"
#include "source/http/path.h"
#include "source/http/serialize.h"
#include "test/http/transcript.h"

namespace kith::http {
namespace {

constexpr char kSmall[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n";
constexpr char kBrowser[] =
    "GET /api/v1/items/4711?sort=name&limit=50 HTTP/1.1\r\n"
    "Host: backend.shop.svc.cluster.local:8080\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8\r\n"
    "Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\n"
    "Authorization: Bearer eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJzcGlmZmU6Ly9leGFtcGxlIn0.c2ln\r\n"
    "X-Request-Id: 5a1f6f0e-8f3b-4d0c-9d53-2f5f7f8f9a10\r\n"
    "Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n"
    "Connection: keep-alive\r\n\r\n";

class Sink : public Http1Handler {
 public:
  void OnRequestHead(const RequestHead& head) override { headers += head.headers.size(); }
  void OnBody(absl::Span<const uint8_t>) override {}
  void OnMessageComplete() override {}
  size_t headers = 0;
};

void ParseHead(benchmark::State& state, absl::string_view bytes) {
  Sink sink;
  Http1Parser parser(Http1Parser::Kind::kRequest, sink);
  for (auto _ : state) benchmark::DoNotOptimize(parser.Feed(AsBytes(bytes)));
  benchmark::DoNotOptimize(sink.headers);
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(bytes.size()));
}
BENCHMARK_CAPTURE(ParseHead, small, absl::string_view(kSmall));
BENCHMARK_CAPTURE(ParseHead, browser, absl::string_view(kBrowser));

// As a proxy forwards: every header that is not hop-by-hop is written again.
class Forwarder : public Sink {
 public:
  explicit Forwarder(base::ByteChain& out) : out_(out) {}
  void OnRequestHead(const RequestHead& head) override {
    benchmark::DoNotOptimize(WriteRequestLine(head.method, head.path, out_));
    for (const Header& header : head.headers) {
      if (!header.hop_by_hop) (void)WriteHeader(header.name, header.value, out_);
    }
    EndHead(out_);
  }

 private:
  base::ByteChain& out_;
};

void ForwardHead(benchmark::State& state, absl::string_view bytes) {
  base::BlockPool pool;
  base::ByteChain chain(pool);
  Forwarder forwarder(chain);
  Http1Parser parser(Http1Parser::Kind::kRequest, forwarder);
  for (auto _ : state) {
    benchmark::DoNotOptimize(parser.Feed(AsBytes(bytes)));
    chain.Consume(chain.size());
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(bytes.size()));
}
BENCHMARK_CAPTURE(ForwardHead, browser, absl::string_view(kBrowser));

void Normalize(benchmark::State& state, absl::string_view path) {
  std::string out;
  for (auto _ : state) {
    benchmark::DoNotOptimize(NormalizePath(PathMode::kDecodeAndMergeSlashes, path, out));
  }
}
BENCHMARK_CAPTURE(Normalize, unchanged, "/api/v1/items/4711?sort=name&limit=50");
BENCHMARK_CAPTURE(Normalize, changed, "/api//v1/./items/%34711?sort=name&limit=50");

}  // namespace
}  // namespace kith::http
