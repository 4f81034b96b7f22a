// A resource as it is sent: deterministic bytes, and a version that is their fingerprint, so that a
// restarted control plane gives an unchanged resource the version that its clients hold.
// Threads: immutable values. Owns: itself. Errors: none.
#pragma once

#include <memory>
#include <string>

#include "absl/strings/string_view.h"

namespace google::protobuf {
class MessageLite;
}

namespace kith::controlplane {

inline constexpr char kWorkloadConfigType[] = "type.googleapis.com/kith.mesh.v1.WorkloadConfig";
inline constexpr char kServiceType[] = "type.googleapis.com/kith.mesh.v1.Service";
inline constexpr char kTrustBundleType[] = "type.googleapis.com/kith.mesh.v1.TrustBundle";

struct EncodedResource {
  std::string bytes;
  std::string version;
};

std::shared_ptr<const EncodedResource> Encode(const google::protobuf::MessageLite& message);

// 128 bits in hex: FNV-1a. It tells changes apart; it proves nothing.
std::string Fingerprint(absl::string_view bytes);

}  // namespace kith::controlplane
