// Single values of the bootstrap file: each is read, or refused with its field's name and what to
// write.
// Threads: any, pure. Owns: nothing. Errors: INVALID_ARGUMENT "field: what is wrong".
#pragma once

#include <google/protobuf/duration.pb.h>

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "source/base/socket_address.h"

namespace kith::sidecar {

absl::Status Invalid(absl::string_view field, absl::string_view problem);

// `what` says what the text is.
absl::StatusOr<std::string> Required(absl::string_view field, const std::string& text,
                                     absl::string_view what);
// A part of a SPIFFE ID.
absl::StatusOr<std::string> NamePart(absl::string_view field, const std::string& text);
absl::StatusOr<base::SocketAddress> IpAddress(absl::string_view field, const std::string& text);
absl::StatusOr<uint16_t> PortNumber(absl::string_view field, uint32_t number);
// The host of "host:port", without the brackets of an IPv6 address.
absl::StatusOr<std::string> HostOf(absl::string_view field, const std::string& text);
// The name of a service of the mesh.
absl::StatusOr<std::string> ServiceHost(absl::string_view field, const std::string& text);

enum class ZeroDuration { kAllowed, kRefused };
absl::StatusOr<absl::Duration> DurationOf(absl::string_view field,
                                          const google::protobuf::Duration& duration,
                                          ZeroDuration zero);

}  // namespace kith::sidecar
