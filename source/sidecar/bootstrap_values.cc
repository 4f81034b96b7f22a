#include "source/sidecar/bootstrap_values.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "source/base/spiffe_id.h"
#include "source/base/status.h"

namespace kith::sidecar {
namespace {

constexpr size_t kMaxName = 253;  // Of DNS, and of Kubernetes.

bool IsHostName(absl::string_view text) {
  return !text.empty() && text.size() <= kMaxName &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return absl::ascii_isalnum(c) || c == '.' || c == '-' || c == '_';
         });
}

}  // namespace

absl::Status Invalid(absl::string_view field, absl::string_view problem) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", problem));
}

absl::StatusOr<std::string> Required(absl::string_view field, const std::string& text,
                                     absl::string_view what) {
  if (text.empty()) return Invalid(field, absl::StrCat("is required: ", what));
  return text;
}

absl::StatusOr<std::string> NamePart(absl::string_view field, const std::string& text) {
  if (text.empty()) return Invalid(field, "is required");
  if (!base::IsSpiffeSegment(text) || text.size() > kMaxName) {
    return Invalid(field, absl::StrCat("\"", text.substr(0, 64),
                                       "\" is not a name of letters, digits, - _ and ., at most "
                                       "253 bytes"));
  }
  return text;
}

absl::StatusOr<base::SocketAddress> IpAddress(absl::string_view field, const std::string& text) {
  if (text.empty()) return Invalid(field, "is required: \"ip:port\"");
  auto address = base::SocketAddress::Parse(text);
  if (!address.ok() || !address->UnixPath().empty()) {
    return Invalid(field, absl::StrCat("\"", text, "\" is not \"ip:port\""));
  }
  return address;
}

absl::StatusOr<uint16_t> PortNumber(absl::string_view field, uint32_t number) {
  if (number < 1 || number > 65535) {
    return Invalid(field, absl::StrCat(number, " is no port; write 1 to 65535"));
  }
  return static_cast<uint16_t>(number);
}

absl::StatusOr<std::string> HostOf(absl::string_view field, const std::string& text) {
  if (text.empty()) return Invalid(field, "is required: \"host:port\"");
  if (const auto address = base::SocketAddress::Parse(text); address.ok()) {
    if (address->UnixPath().empty() && address->port() != 0) return address->IpString();
  } else if (const size_t colon = text.rfind(':'); colon != std::string::npos) {
    const absl::string_view host = absl::string_view(text).substr(0, colon);
    int port = 0;
    const bool numeric = absl::SimpleAtoi(text.substr(colon + 1), &port);
    if (numeric && port >= 1 && port <= 65535 && IsHostName(host)) return std::string(host);
  }
  return Invalid(field, absl::StrCat("\"", text, "\" is not \"host:port\""));
}

absl::StatusOr<std::string> ServiceHost(absl::string_view field, const std::string& text) {
  if (IsHostName(text)) return text;
  return Invalid(field, absl::StrCat("\"", text.substr(0, 64),
                                     "\" is no host of the mesh; write one such as "
                                     "\"backend.demo.svc.cluster.local\""));
}

absl::StatusOr<absl::Duration> DurationOf(absl::string_view field,
                                          const google::protobuf::Duration& duration,
                                          ZeroDuration zero) {
  const absl::Duration value =
      absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
  if (value < absl::ZeroDuration()) return Invalid(field, "is negative");
  if (value == absl::ZeroDuration() && zero == ZeroDuration::kRefused) {
    return Invalid(field, "must be more than zero");
  }
  if (value > absl::Hours(24 * 366)) return Invalid(field, "is longer than a year");
  return value;
}

}  // namespace kith::sidecar
