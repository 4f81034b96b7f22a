// A workload that its sidecar announces: who it is by its token, what it says about itself by its
// node metadata.
// Threads: plain values. Owns: itself.
// Errors: ParseMetadata() answers INVALID_ARGUMENT that names the field.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/struct.pb.h"
#include "kith/mesh/v1/node.pb.h"
#include "source/controlplane/registry/mesh_state.h"

namespace kith::controlplane {

struct Workload {
  // Proven by the token.
  std::string name_space;
  std::string service_account;
  // Claimed, within what was proven.
  std::string name;
  Labels labels;
  std::map<uint32_t, std::string> inbound;  // Workload port to "ip:port".
  // IP addresses at which it answers every port, and whether its stream came from there: a claim
  // that is proven wins over one that is not.
  std::map<std::string, bool> captured = {};
};

// Where it says that it is.
std::vector<std::string> AddressesOf(const Workload& workload);

// Strict: an unknown field, a bad value or too much of anything is refused. An inbound address that
// names no interface (0.0.0.0, ::) gets the IP address that the stream comes from.
absl::StatusOr<mesh::v1::NodeMetadata> ParseMetadata(const google::protobuf::Struct& metadata,
                                                     absl::string_view peer_ip);

// The IP address in gRPC's name of a peer, "ipv4:10.0.0.7:4711" or "ipv6:%5B::1%5D:4711"; empty
// when it is neither.
std::string PeerIp(absl::string_view peer);

}  // namespace kith::controlplane
