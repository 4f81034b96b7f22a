// Whatever a peer sends, to a server or a client: no crash, no stream left when it is over, and
// never more in memory than the windows allow.
#include <algorithm>
#include <memory>
#include <string>

#include "source/base/check.h"
#include "test/http/http2_peer.h"
#include "test/support/fuzz_driver.h"

namespace kith::http {
namespace {

Http2Session::Options SmallLimits(Http2Session::Role role) {
  Http2Session::Options options;
  options.role = role;
  options.max_head_bytes = 512;  // So that mutations reach them.
  options.max_headers = 12;
  options.max_streams = 8;
  options.first_stream_window = 1024;
  options.largest_stream_window = 4096;
  options.connection_window = 65535;
  return options;
}

// The first byte decides the role, whether bodies are read, and how the bytes are cut.
void RunOnce(absl::string_view input) {
  if (input.empty()) return;
  const auto choice = static_cast<uint8_t>(input.front());
  input.remove_prefix(1);
  const bool client = (choice & 1) != 0;
  Http2Peer peer(SmallLimits(client ? Http2Session::Role::kClient : Http2Session::Role::kServer));
  peer.reads = (choice & 2) != 0;
  peer.on_request = [&](Http2Peer::StreamNotes& notes) {
    const Header fields[] = {{":status", "200"}};
    peer.session.SubmitResponse(notes.id, fields, Http2Session::Message::kGoesOn);
    peer.session.Write(notes.id, Bytes("response"));
    if ((choice & 4) != 0) peer.session.End(notes.id, {});
  };
  if (client) {
    const Header fields[] = {
        {":method", "POST"}, {":scheme", "http"}, {":authority", "a"}, {":path", "/"}};
    for (int i = 0; i < 3; ++i) {
      peer.session.Write(peer.Request(fields, Http2Session::Message::kGoesOn), Bytes("request"));
    }
  } else if ((choice & 8) == 0) {
    (void)peer.Receive(kPreface);
  }
  const size_t step = (choice & 16) != 0 ? 7 : input.size() + 1;
  while (!input.empty() && peer.Receive(input.substr(0, step)).ok()) {
    input.remove_prefix(std::min(step, input.size()));
    (void)peer.Output();
    size_t unread = 0;
    for (const auto& [id, notes] : peer.streams) unread += notes->closed ? 0 : notes->unread;
    KITH_CHECK(unread <= 2 * 65535 + 65535, "the windows bound what is held");
  }
  (void)peer.Output();
  peer.session.CloseAll("over");
  KITH_CHECK(peer.session.streams() == 0, "no stream is left");
  KITH_CHECK(peer.blocks.outstanding() == 0, "no output is left");
}

}  // namespace
}  // namespace kith::http

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  kith::http::RunOnce(absl::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
