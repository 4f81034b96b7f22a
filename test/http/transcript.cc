#include "test/http/transcript.h"

#include "absl/strings/str_cat.h"

namespace kith::http {

void Transcript::Describe(const MessageHead& head) {
  static constexpr absl::string_view kKinds[] = {"none", "length", "chunked", "until_close"};
  absl::StrAppend(&text_, " ", kKinds[static_cast<int>(head.framing.kind)]);
  if (head.framing.kind == BodyKind::kLength) absl::StrAppend(&text_, "=", head.framing.length);
  absl::StrAppend(&text_, head.keep_alive ? " keep" : " close");
  if (!head.upgrade.empty()) absl::StrAppend(&text_, " upgrade=", head.upgrade);
  absl::StrAppend(&text_, "\n");
  for (const Header& header : head.headers) {
    absl::StrAppend(&text_, header.hop_by_hop ? "hop " : "header ", header.name, "=", header.value,
                    "\n");
  }
}

void Transcript::OnRequestHead(const RequestHead& head) {
  in_body_ = false;
  absl::StrAppend(&text_, "request ", head.method, " ", head.target, " 1.", head.version_minor,
                  " path=", head.path, " host=", head.host);
  if (head.expect_continue) absl::StrAppend(&text_, " expects");
  if (head.is_connect) absl::StrAppend(&text_, " connect");
  Describe(head);
}

void Transcript::OnResponseHead(const ResponseHead& head) {
  in_body_ = false;
  absl::StrAppend(&text_, "response ", head.status, " '", head.reason, "' 1.", head.version_minor);
  Describe(head);
}

void Transcript::OnBody(absl::Span<const uint8_t> bytes) {
  if (in_body_) {
    text_.pop_back();
  } else {
    absl::StrAppend(&text_, "body ");
  }
  in_body_ = true;
  text_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  text_.push_back('\n');
}

void Transcript::OnTrailers(absl::Span<const Header> trailers) {
  in_body_ = false;
  if (trailers.empty()) absl::StrAppend(&text_, "trailers without any\n");
  for (const Header& trailer : trailers) {
    absl::StrAppend(&text_, "trailer ", trailer.name, "=", trailer.value, "\n");
  }
}

void Transcript::OnMessageComplete() {
  in_body_ = false;
  ++messages_;
  absl::StrAppend(&text_, "complete\n");
}

absl::Status FeedAll(Http1Parser& parser, absl::string_view bytes, const ResponseContext* context) {
  // Also feeds nothing once: a message without a body may be waiting to be completed.
  do {
    if (context != nullptr && parser.idle()) parser.ExpectResponse(*context);
    const absl::StatusOr<size_t> taken = parser.Feed(AsBytes(bytes));
    if (!taken.ok()) return taken.status();
    bytes.remove_prefix(*taken);
  } while (!bytes.empty());
  return absl::OkStatus();
}

}  // namespace kith::http
