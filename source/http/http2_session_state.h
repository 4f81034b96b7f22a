// A stream's state and the callbacks of nghttp2, shared by the files that make up Http2Session.
// Threads, ownership, errors: http2_session.h. For http2_*.cc only.
#pragma once

#include <nghttp2/nghttp2.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "source/http/http2_indexing.h"
#include "source/http/http2_session.h"

namespace kith::http {

struct Http2Session::Stream {
  Stream(int32_t id_in, Http2StreamHandler* handler_in, base::BlockPool& blocks, size_t window_in)
      : id(id_in), handler(handler_in), output(blocks), window(window_in) {}

  size_t unsent() const { return output.size() + lent.size(); }

  const int32_t id;
  Http2StreamHandler* handler;  // Null once released.
  base::ByteChain output;
  absl::Span<const uint8_t> lent;  // Behind it, of the caller of Write(), while that runs.
  std::vector<std::pair<std::string, std::string>> trailers;
  ResponseContext context;  // Client only.
  size_t window;
  size_t unread = 0;
  size_t read_in_window = 0;  // Consumed since the window last grew.
  bool ended = false;         // By us.
  bool end_sent = false;
  bool waits = false;  // nghttp2 has asked for output that was not there.
  bool above_watermark = false;
  bool head_received = false;
  bool peer_ended = false;
  bool released = false;
  bool refused = false;  // Its message is malformed: it is about to be reset.
};

// Makes nghttp2 call the session; to be freed by the caller.
struct Http2Session::Callbacks {
  static nghttp2_session_callbacks* New();
  // Says how much of a stream's output goes into a frame; SendOutput() of http2_callbacks.cc moves
  // it.
  static ssize_t ReadOutput(nghttp2_session* session, int32_t id, uint8_t* to, size_t room,
                            uint32_t* flags, nghttp2_data_source*, void* user) noexcept;
};

inline nghttp2_nv ToNv(absl::string_view name, absl::string_view value) {
  nghttp2_nv nv;
  nv.name = reinterpret_cast<uint8_t*>(const_cast<char*>(name.data()));
  nv.value = reinterpret_cast<uint8_t*>(const_cast<char*>(value.data()));
  nv.namelen = name.size();
  nv.valuelen = value.size();
  nv.flags = IsWorthIndexing(name) ? NGHTTP2_NV_FLAG_NONE : NGHTTP2_NV_FLAG_NO_INDEX;
  return nv;
}

inline absl::InlinedVector<nghttp2_nv, 32> ToNvs(absl::Span<const Header> fields) {
  absl::InlinedVector<nghttp2_nv, 32> nvs;
  nvs.reserve(fields.size());
  for (const Header& field : fields) nvs.push_back(ToNv(field.name, field.value));
  return nvs;
}

}  // namespace kith::http
