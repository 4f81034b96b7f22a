#include "test/http/http2_peer.h"

#include <memory>

#include "absl/strings/str_cat.h"

namespace kith::http {

std::string Frame(uint8_t type, uint8_t flags, uint32_t stream, absl::string_view payload) {
  std::string frame;
  for (int shift : {16, 8, 0}) frame.push_back(static_cast<char>(payload.size() >> shift));
  frame.push_back(static_cast<char>(type));
  frame.push_back(static_cast<char>(flags));
  for (int shift : {24, 16, 8, 0}) frame.push_back(static_cast<char>(stream >> shift));
  frame.append(payload.data(), payload.size());
  return frame;
}

std::string Field(absl::string_view name, absl::string_view value) {
  std::string field(1, '\0');
  for (absl::string_view text : {name, value}) {
    if (text.size() < 127) {
      field.push_back(static_cast<char>(text.size()));
    } else {  // HPACK's integers, two more bytes at most.
      const size_t rest = text.size() - 127;
      field.push_back(127);
      field.push_back(static_cast<char>(0x80 | (rest & 0x7f)));
      field.push_back(static_cast<char>(rest >> 7));
    }
    field.append(text.data(), text.size());
  }
  return field;
}

std::string GetFields() {
  return absl::StrCat(Field(":method", "GET"), Field(":scheme", "http"), Field(":path", "/"),
                      Field(":authority", "a"));
}

absl::Span<const uint8_t> Bytes(absl::string_view text) {
  return absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(text.data()), text.size());
}

Http2Peer::Http2Peer(Http2Session::Options options) : session(options, blocks, *this) {}

void Http2Peer::StreamNotes::OnResponseHead(const ResponseHead& head) {
  absl::StrAppend(&text, head.status, head.complete ? " complete;" : ";");
  for (const Header& header : head.headers)
    absl::StrAppend(&text, header.name, "=", header.value, ";");
}
void Http2Peer::StreamNotes::OnStreamBody(absl::Span<const uint8_t> bytes) {
  body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  unread += bytes.size();
  if (peer.reads) peer.session.Consume(id, std::exchange(unread, 0));
}
void Http2Peer::StreamNotes::OnStreamTrailers(absl::Span<const Header> trailers) {
  for (const Header& trailer : trailers)
    absl::StrAppend(&text, trailer.name, "=", trailer.value, ";");
}
void Http2Peer::StreamNotes::OnStreamEnd() { text += "end;"; }
void Http2Peer::StreamNotes::OnStreamClosed(const Http2Close& close) {
  cause = close.cause;
  closed = true;
}

Http2StreamHandler* Http2Peer::OnRequestHead(int32_t id, const RequestHead& head) {
  StreamNotes& notes = Notes(id);
  absl::StrAppend(&notes.text, head.method, " ", head.path, " ", head.host,
                  head.complete ? " complete;" : ";");
  for (const Header& header : head.headers) {
    absl::StrAppend(&notes.text, header.name, "=", header.value, ";");
  }
  if (on_request) on_request(notes);
  return &notes;
}

int32_t Http2Peer::Request(absl::Span<const Header> fields, Http2Session::Message message) {
  // The id is known only afterwards, and nothing happens to a stream before.
  auto notes = std::make_unique<StreamNotes>(*this, 0);
  const int32_t id = session.SubmitRequest(fields, message, *notes);
  notes->id = id;
  streams[id] = std::move(notes);
  return id;
}

absl::Status Http2Peer::Receive(absl::string_view bytes, uint64_t now_ms) {
  return session.Receive(Bytes(bytes), now_ms);
}

std::string Http2Peer::Output(size_t room) {
  struct Text final : Http2Session::Output {
    void Add(absl::Span<const uint8_t> bytes) override {
      all.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    }
    std::string all;
  };
  Text out;
  session.Send(room, out);
  return out.all;
}

Http2Peer::StreamNotes& Http2Peer::Notes(int32_t id) {
  std::unique_ptr<StreamNotes>& notes = streams[id];
  if (notes == nullptr) notes = std::make_unique<StreamNotes>(*this, id);
  return *notes;
}

void Exchange(Http2Peer& a, Http2Peer& b) {
  for (bool moved = true; moved;) {
    moved = false;
    for (auto [from, to] : {std::pair(&a, &b), std::pair(&b, &a)}) {
      const std::string bytes = from->Output();
      if (bytes.empty()) continue;
      moved = true;
      (void)to->Receive(bytes);
    }
  }
}

}  // namespace kith::http
