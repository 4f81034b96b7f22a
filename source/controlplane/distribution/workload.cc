#include "source/controlplane/distribution/workload.h"

#include <google/protobuf/util/json_util.h>

#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "source/base/ip.h"
#include "source/base/socket_address.h"
#include "source/base/spiffe_id.h"

namespace kith::controlplane {
namespace {

constexpr int kMaxLabels = 64;
constexpr int kMaxInbound = 64;
constexpr int kMaxCaptured = 16;
constexpr size_t kMaxName = 253;
constexpr size_t kMaxLabelKey = 317;  // A DNS prefix, a slash and a name.
constexpr size_t kMaxLabelValue = 63;
constexpr size_t kMaxText = 128;

absl::Status Bad(absl::string_view field, absl::string_view problem) {
  return absl::InvalidArgumentError(absl::StrCat("node metadata: ", field, ": ", problem));
}

}  // namespace

std::vector<std::string> AddressesOf(const Workload& workload) {
  std::vector<std::string> addresses;
  for (const auto& [ip, proven] : workload.captured) addresses.push_back(ip);
  for (const auto& [port, address] : workload.inbound) {
    // It was checked when the metadata was read.
    const auto parsed = base::SocketAddress::Parse(address);
    if (parsed.ok()) addresses.push_back(parsed->IpString());
  }
  return addresses;
}

absl::StatusOr<mesh::v1::NodeMetadata> ParseMetadata(const google::protobuf::Struct& metadata,
                                                     absl::string_view peer_ip) {
  std::string json;
  mesh::v1::NodeMetadata node;
  // Unknown fields are errors by default.
  if (const auto status = google::protobuf::util::MessageToJsonString(metadata, &json);
      !status.ok()) {
    return Bad("struct", status.ToString());
  }
  if (const auto status = google::protobuf::util::JsonStringToMessage(json, &node); !status.ok()) {
    return Bad("fields", status.ToString());
  }
  if (!base::IsSpiffeSegment(node.workload()) || node.workload().size() > kMaxName) {
    return Bad("workload", "a name of letters, digits, - _ and . is required, at most 253 bytes");
  }
  if (node.labels_size() > kMaxLabels) return Bad("labels", "more than 64");
  for (const auto& [key, value] : node.labels()) {
    if (key.empty() || key.size() > kMaxLabelKey)
      return Bad("labels", "a key is empty or too long");
    if (value.size() > kMaxLabelValue) return Bad("labels", "a value is longer than 63 bytes");
  }
  if (node.version().size() > kMaxText) return Bad("version", "longer than 128 bytes");
  if (node.certificate().serial().size() > kMaxText) {
    return Bad("certificate.serial", "longer than 128 bytes");
  }
  if (node.certificate().issuer_key_id().size() > kMaxText ||
      node.certificate().root_key_id().size() > kMaxText) {
    return Bad("certificate", "a key id is longer than 128 bytes");
  }
  if (node.inbound_size() > kMaxInbound) return Bad("inbound", "more than 64 ports");
  std::set<uint32_t> ports;
  for (mesh::v1::InboundPort& inbound : *node.mutable_inbound()) {
    if (inbound.port() < 1 || inbound.port() > 65535) {
      return Bad("inbound.port", "must be 1 to 65535");
    }
    if (!ports.insert(inbound.port()).second) {
      return Bad("inbound.port", absl::StrCat(inbound.port(), " appears twice"));
    }
    auto address = base::SocketAddress::Parse(inbound.address());
    if (!address.ok() || !address->UnixPath().empty() || address->port() == 0) {
      return Bad("inbound.address", "must be \"ip:port\"");
    }
    if (address->IpString() == "0.0.0.0" || address->IpString() == "::") {
      if (peer_ip.empty()) return Bad("inbound.address", "names no interface");
      address = base::SocketAddress::Parse(base::JoinHostPort(peer_ip, address->port()));
      if (!address.ok()) return Bad("inbound.address", "names no interface");
    }
    inbound.set_address(address->ToString());
  }
  if (node.captured_addresses_size() > kMaxCaptured)
    return Bad("capturedAddresses", "more than 16");
  for (std::string& text : *node.mutable_captured_addresses()) {
    const auto address = base::ParseIp(text);
    if (!address.ok() || address->IsLoopback()) {
      return Bad("capturedAddresses", "must be IP addresses of this workload's own");
    }
    text = address->IpString();
  }
  return node;
}

std::string PeerIp(absl::string_view peer) {
  std::string text;
  if (absl::ConsumePrefix(&peer, "ipv4:")) {
    text = std::string(peer);
  } else if (absl::ConsumePrefix(&peer, "ipv6:")) {
    text = absl::StrReplaceAll(peer, {{"%5B", "["}, {"%5D", "]"}, {"%25", "%"}});
  }
  const auto address = base::SocketAddress::Parse(text);
  return address.ok() ? address->IpString() : "";
}

}  // namespace kith::controlplane
