#include "source/proxy/http1_output.h"

#include <cstdio>

#include "source/http/serialize.h"

namespace kith::proxy {

namespace {

void AppendHeader(absl::string_view name, absl::string_view value, std::string& out) {
  // A header that cannot be written soundly is left out; the parser lets none through.
  (void)http::WriteHeader(name, value, out);
}

void AppendUpgrade(absl::string_view protocol, std::string& out) {
  AppendHeader("Connection", "Upgrade", out);
  AppendHeader("Upgrade", protocol, out);
}

}  // namespace

void AppendRequestHead(const StoredRequest& request, std::string& out) {
  (void)http::WriteRequestLine(request.method(), request.target(), out);
  // Content-Length is an end-to-end header and among these already.
  for (const http::Header& header : request.headers()) {
    // What HTTP/2 lets through means something else here without Connection.
    if (!http::IsHopByHop(header.name)) AppendHeader(header.name, header.value, out);
  }
  if (request.framing().kind == http::BodyKind::kChunked) {
    AppendHeader("Transfer-Encoding", "chunked", out);
  }
  if (request.switches() == StoredRequest::Switch::kUpgrade) AppendUpgrade(request.upgrade(), out);
  http::EndHead(out);
}

void AppendResponseHead(const http::ResponseHead& head, const ResponseFraming& framing,
                        std::string& out) {
  (void)http::WriteStatusLine(head.status, head.reason, out);
  for (const http::Header& header : head.headers) {
    if (!header.hop_by_hop) AppendHeader(header.name, header.value, out);
  }
  if (!head.is_informational()) {
    if (framing.body == http::BodyKind::kChunked) {
      AppendHeader("Transfer-Encoding", "chunked", out);
    }
    if (framing.connection == ResponseFraming::Connection::kUpgrade) {
      if (!head.upgrade.empty()) AppendUpgrade(head.upgrade, out);
    } else if (framing.connection == ResponseFraming::Connection::kClose) {
      AppendHeader("Connection", "close", out);
    } else if (framing.version_minor == 0) {
      AppendHeader("Connection", "keep-alive", out);
    }
  }
  http::EndHead(out);
}

void WriteChunkTo(net::Stream& stream, absl::Span<const uint8_t> bytes) {
  if (bytes.empty()) return;
  char line[20];
  const int length = std::snprintf(line, sizeof(line), "%zx\r\n", bytes.size());
  stream.Write(absl::string_view(line, static_cast<size_t>(length)));
  stream.Write(bytes);
  stream.Write(absl::string_view("\r\n"));
}

}  // namespace kith::proxy
