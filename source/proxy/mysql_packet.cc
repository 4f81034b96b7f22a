#include "source/proxy/mysql_packet.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace kith::proxy {
namespace {

constexpr size_t kHeader = 4;
constexpr uint8_t kOk = 0x00;
constexpr uint8_t kErr = 0xff;
constexpr uint8_t kProtocolVersion = 10;
// Of the lower two bytes of the capabilities.
constexpr uint16_t kProtocol41 = 0x0200;
constexpr uint16_t kSsl = 0x0800;
// Behind the server version's NUL: connection id, first part of the nonce, filler.
constexpr size_t kBeforeCapabilities = 4 + 8 + 1;
// Of the client's answer: capabilities, longest packet, character set, filler.
constexpr size_t kTlsRequest = 4 + 4 + 1 + 23;

uint16_t Lower(absl::Span<const uint8_t> bytes) {
  return static_cast<uint16_t>(bytes[0] | (bytes[1] << 8));
}

}  // namespace

absl::StatusOr<absl::optional<MysqlPacket>> ReadMysqlPacket(absl::Span<const uint8_t> bytes) {
  if (bytes.size() < kHeader) return absl::optional<MysqlPacket>();
  const size_t size = bytes[0] | (size_t{bytes[1]} << 8) | (size_t{bytes[2]} << 16);
  if (size == 0 || size > kMaxMysqlPacket) {
    return absl::InvalidArgumentError(
        absl::StrCat("a packet of ", size, " bytes while a MySQL connection begins"));
  }
  if (bytes.size() < kHeader + size) return absl::optional<MysqlPacket>();
  MysqlPacket packet;
  packet.sequence = bytes[3];
  packet.payload = bytes.subspan(kHeader, size);
  packet.size = kHeader + size;
  return absl::optional<MysqlPacket>(packet);
}

std::string WriteMysqlPacket(uint8_t sequence, absl::Span<const uint8_t> payload) {
  std::string packet;
  packet.push_back(static_cast<char>(payload.size() & 0xff));
  packet.push_back(static_cast<char>((payload.size() >> 8) & 0xff));
  packet.push_back(static_cast<char>((payload.size() >> 16) & 0xff));
  packet.push_back(static_cast<char>(sequence));
  packet.append(reinterpret_cast<const char*>(payload.data()), payload.size());
  return packet;
}

bool IsMysqlError(absl::Span<const uint8_t> payload) {
  return !payload.empty() && payload.front() == kErr;
}

bool EndsMysqlAuthentication(absl::Span<const uint8_t> payload) {
  return !payload.empty() && (payload.front() == kOk || payload.front() == kErr);
}

absl::StatusOr<std::vector<uint8_t>> WithoutMysqlTls(absl::Span<const uint8_t> greeting) {
  if (greeting.empty() || greeting.front() != kProtocolVersion) {
    return absl::InvalidArgumentError("the server does not greet as MySQL (protocol 10) does");
  }
  const auto nul = std::find(greeting.begin() + 1, greeting.end(), uint8_t{0});
  const size_t at = static_cast<size_t>(nul - greeting.begin()) + 1 + kBeforeCapabilities;
  if (at + 2 > greeting.size()) {
    return absl::InvalidArgumentError("the server's greeting is cut short");
  }
  if ((Lower(greeting.subspan(at)) & kSsl) == 0) {
    return absl::FailedPreconditionError("the server's greeting does not offer TLS");
  }
  std::vector<uint8_t> without(greeting.begin(), greeting.end());
  without[at + 1] = static_cast<uint8_t>(without[at + 1] & ~(kSsl >> 8));
  return without;
}

absl::StatusOr<std::vector<uint8_t>> WithMysqlTls(absl::Span<const uint8_t> answer) {
  if (answer.size() < kTlsRequest || (Lower(answer) & kProtocol41) == 0) {
    return absl::InvalidArgumentError(
        "the application's answer is not that of a MySQL client (protocol 4.1)");
  }
  if ((Lower(answer) & kSsl) != 0) {
    return absl::FailedPreconditionError(
        "the application asks for TLS, which its sidecar adds; turn it off there");
  }
  std::vector<uint8_t> with(answer.begin(), answer.end());
  with[1] = static_cast<uint8_t>(with[1] | (kSsl >> 8));
  return with;
}

absl::Span<const uint8_t> MysqlTlsRequest(absl::Span<const uint8_t> answer_with_tls) {
  return answer_with_tls.subspan(0, kTlsRequest);
}

}  // namespace kith::proxy
