#include "source/tls/client_hello.h"

#include <algorithm>
#include <utility>

#include "absl/strings/string_view.h"

namespace kith::tls {
namespace {

using Kind = ClientHello::Kind;
using Bytes = absl::Span<const uint8_t>;

constexpr uint8_t kHandshakeRecord = 22;
constexpr uint8_t kClientHelloMessage = 1;
constexpr size_t kRecordHeader = 5;
constexpr size_t kMessageHeader = 4;
constexpr size_t kMaxRecord = 1 << 14;
constexpr size_t kMaxExtensions = 128;
constexpr size_t kMaxSessionId = 32;
constexpr size_t kMaxHostName = 255;
constexpr uint16_t kServerName = 0;
constexpr uint16_t kAlpn = 16;

// Reads a message from its front; every method is false, and changes nothing, when it is too short.
class Reader {
 public:
  explicit Reader(Bytes bytes) : rest_(bytes) {}

  bool empty() const { return rest_.empty(); }
  bool U8(uint8_t& value) {
    if (rest_.empty()) return false;
    value = rest_[0];
    rest_.remove_prefix(1);
    return true;
  }
  bool U16(uint16_t& value) {
    if (rest_.size() < 2) return false;
    value = static_cast<uint16_t>(rest_[0] << 8 | rest_[1]);
    rest_.remove_prefix(2);
    return true;
  }
  bool Take(size_t size, Bytes& taken) {
    if (rest_.size() < size) return false;
    taken = rest_.subspan(0, size);
    rest_.remove_prefix(size);
    return true;
  }
  // A vector behind its length of one or two bytes.
  bool Vector8(Bytes& taken) {
    uint8_t size;
    Reader copy = *this;
    return copy.U8(size) && copy.Take(size, taken) && (*this = copy, true);
  }
  bool Vector16(Bytes& taken) {
    uint16_t size;
    Reader copy = *this;
    return copy.U16(size) && copy.Take(size, taken) && (*this = copy, true);
  }

 private:
  Bytes rest_;
};

std::string ToString(Bytes bytes) { return std::string(bytes.begin(), bytes.end()); }

// RFC 6066 §3: a list with at most one name of each type; only host names (type 0) exist.
bool ReadServerName(Bytes extension, std::string& sni) {
  Reader reader(extension);
  Bytes list;
  if (!reader.Vector16(list) || !reader.empty()) return false;
  Reader names(list);
  uint8_t type;
  Bytes name;
  if (!names.U8(type) || !names.Vector16(name) || !names.empty()) return false;
  if (type != 0 || name.empty() || name.size() > kMaxHostName) return false;
  if (std::find(name.begin(), name.end(), 0) != name.end()) return false;
  sni = ToString(name);
  return true;
}

// RFC 7301 §3.1: at least one protocol, none of them empty.
bool ReadAlpn(Bytes extension, std::vector<std::string>& alpn) {
  Reader reader(extension);
  Bytes list;
  if (!reader.Vector16(list) || !reader.empty() || list.empty()) return false;
  Reader names(list);
  while (!names.empty()) {
    Bytes name;
    if (!names.Vector8(name) || name.empty()) return false;
    alpn.push_back(ToString(name));
  }
  return true;
}

bool ReadExtensions(Bytes extensions, ClientHello& hello) {
  Reader reader(extensions);
  std::vector<uint16_t> seen;
  while (!reader.empty()) {
    uint16_t type;
    Bytes body;
    if (!reader.U16(type) || !reader.Vector16(body)) return false;
    // RFC 8446 §4.2: none comes twice. Unknown ones, GREASE among them, are passed over.
    if (std::find(seen.begin(), seen.end(), type) != seen.end()) return false;
    if (seen.size() == kMaxExtensions) return false;
    seen.push_back(type);
    if (type == kServerName && !ReadServerName(body, hello.sni)) return false;
    if (type == kAlpn && !ReadAlpn(body, hello.alpn)) return false;
  }
  return true;
}

bool ReadMessage(Bytes message, ClientHello& hello) {
  Reader reader(message);
  uint16_t version;
  Bytes random, session, ciphers, compressions, extensions;
  if (!reader.U16(version) || !reader.Take(32, random) || !reader.Vector8(session) ||
      !reader.Vector16(ciphers) || !reader.Vector8(compressions)) {
    return false;
  }
  if (version >> 8 != 3 || session.size() > kMaxSessionId) return false;
  if (ciphers.empty() || ciphers.size() % 2 != 0 || compressions.empty()) return false;
  if (reader.empty()) return true;  // TLS 1.2 without extensions.
  if (!reader.Vector16(extensions) || !reader.empty()) return false;
  return ReadExtensions(extensions, hello);
}

// The handshake message behind the record headers, as far as it has come.
struct Unwrapped {
  Kind kind;      // kHello when `message` is whole.
  Bytes message;  // Without its header.
};

// `joined` holds the message where it is split over several records.
Unwrapped Unwrap(Bytes bytes, std::vector<uint8_t>& joined) {
  // What one record holds is the common case and is read in place.
  Bytes content;
  size_t wanted = kMessageHeader;
  size_t at = 0;
  for (int records = 0; content.size() < wanted; ++records) {
    Bytes record = bytes.subspan(at);
    if (!record.empty() && record[0] != kHandshakeRecord) {
      return {at == 0 ? Kind::kNotTls : Kind::kMalformed, {}};
    }
    if (record.size() > 1 && record[1] != 3) {
      return {at == 0 ? Kind::kNotTls : Kind::kMalformed, {}};
    }
    if (record.size() < kRecordHeader) return {Kind::kNeedMore, {}};
    const size_t length = static_cast<size_t>(record[3] << 8 | record[4]);
    // RFC 8446 §5.1: handshake records are never empty.
    if (length == 0 || length > kMaxRecord) return {Kind::kMalformed, {}};
    const Bytes body = record.subspan(kRecordHeader, length);
    at += kRecordHeader + length;
    if (records == 0) {
      content = body;
    } else {
      if (records == 1) joined.assign(content.begin(), content.end());
      joined.insert(joined.end(), body.begin(), body.end());
      content = joined;
    }
    if (!content.empty() && content[0] != kClientHelloMessage) return {Kind::kMalformed, {}};
    if (content.size() >= kMessageHeader) {
      wanted =
          kMessageHeader + static_cast<size_t>(content[1] << 16 | content[2] << 8 | content[3]);
      if (wanted > kMaxClientHello) return {Kind::kMalformed, {}};
    }
    if (body.size() < length) {
      // A record that goes on behind the hello is wrong whatever follows, as below.
      return {content.size() < wanted ? Kind::kNeedMore : Kind::kMalformed, {}};
    }
  }
  // RFC 8446 §5.1: the keys change after the hello, so nothing else shares its record.
  if (content.size() > wanted) return {Kind::kMalformed, {}};
  return {Kind::kHello, content.subspan(kMessageHeader)};
}

}  // namespace

ClientHello PeekClientHello(absl::Span<const uint8_t> bytes) {
  ClientHello hello;
  std::vector<uint8_t> joined;
  const Unwrapped unwrapped = Unwrap(bytes, joined);
  hello.kind = unwrapped.kind;
  if (hello.kind == Kind::kNeedMore && bytes.size() >= kMaxClientHello) {
    hello.kind = Kind::kMalformed;
  }
  if (hello.kind == Kind::kHello && !ReadMessage(unwrapped.message, hello)) {
    hello = ClientHello();
    hello.kind = Kind::kMalformed;
  }
  return hello;
}

}  // namespace kith::tls
