// For tests of HTTP/2: frames written by hand, two sessions joined to each other, and handlers that
// note what they are told. Threads: the test's. Owns: what it makes. Errors: none.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "source/base/byte_chain.h"
#include "source/http/http2_session.h"

namespace kith::http {

inline constexpr char kPreface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
inline constexpr uint8_t kData = 0, kHeaders = 1, kReset = 3, kSettings = 4, kPing = 6,
                         kContinuation = 9;
inline constexpr uint8_t kEndStream = 1, kEndHeaders = 4;

std::string Frame(uint8_t type, uint8_t flags, uint32_t stream, absl::string_view payload);
// One field, literal and not indexed.
std::string Field(absl::string_view name, absl::string_view value);
// A GET's pseudo-headers.
std::string GetFields();

absl::Span<const uint8_t> Bytes(absl::string_view text);

// One side: its session, and one line for everything that happened to each stream.
class Http2Peer : public Http2Session::Handler {
 public:
  explicit Http2Peer(Http2Session::Options options);

  struct StreamNotes : Http2StreamHandler {
    StreamNotes(Http2Peer& peer_in, int32_t id_in) : peer(peer_in), id(id_in) {}
    void OnResponseHead(const ResponseHead& head) override;
    void OnStreamBody(absl::Span<const uint8_t> bytes) override;
    void OnStreamTrailers(absl::Span<const Header> trailers) override;
    void OnStreamEnd() override;
    void OnStreamDrained() override { text += "drained;"; }
    void OnStreamClosed(const Http2Close& close) override;

    Http2Peer& peer;
    int32_t id;
    std::string text;
    std::string body;
    size_t unread = 0;
    Http2Close::Cause cause = Http2Close::Cause::kComplete;
    bool closed = false;
  };

  // Http2Session::Handler
  Http2StreamHandler* OnRequestHead(int32_t id, const RequestHead& head) override;
  void OnHasOutput() override {}
  void OnLargeOutput() override {
    if (on_large_output) on_large_output();
  }
  void OnPeerDrains() override { drains = true; }
  void OnRefused(absl::string_view reason) override { refused.emplace_back(reason); }

  int32_t Request(absl::Span<const Header> fields, Http2Session::Message message);
  absl::Status Receive(absl::string_view bytes, uint64_t now_ms = 0);
  std::string Output(size_t room = size_t{1} << 30);
  StreamNotes& Notes(int32_t id);

  base::BlockPool blocks;
  std::map<int32_t, std::unique_ptr<StreamNotes>> streams;
  std::vector<std::string> refused;
  std::function<void(StreamNotes&)> on_request;  // Server: at each head.
  std::function<void()> on_large_output;         // Inside a large Write().
  bool reads = true;                             // Consumes a body as it comes.
  bool drains = false;
  Http2Session session;
};

// Moves bytes between both until there are none.
void Exchange(Http2Peer& a, Http2Peer& b);

}  // namespace kith::http
