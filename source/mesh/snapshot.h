// What a sidecar knows of the mesh at one moment: its own modes and the services it uses. A change
// makes a new snapshot, handed to every worker by message.
// Threads: immutable, shared by all.
// Owns: itself; parts are shared between snapshots.
// Errors: none; control/ checks what it builds one from.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "source/base/socket_address.h"
#include "source/base/spiffe_id.h"
#include "source/mesh/tls_origination.h"
#include "source/mesh/traffic_policy.h"

namespace kith::mesh {

// What a port speaks. kHttp is HTTP/1.1 towards its application, kHttp2 HTTP/2 (also gRPC); kDetect
// is told by the ALPN of mutual TLS, or by the first bytes.
enum class Protocol : uint8_t { kHttp, kHttp2, kTcp, kDetect };

// How an endpoint is spoken to.
enum class EndpointTls : uint8_t {
  kMutual,
  kPlaintext,
  kOriginated,  // A server outside the mesh: TLS as the service's DestinationRule says.
};

// PeerAuthentication, after precedence: what an inbound port accepts.
enum class MtlsMode : uint8_t { kStrict, kPermissive, kDisable };

// How a request's path is normalized before it is matched and forwarded; see http/path.h.
enum class PathNormalization : uint8_t { kDecodeAndMergeSlashes, kMergeSlashes, kBase, kNone };

// One place where one port of a service is answered.
struct Endpoint {
  base::SocketAddress address;
  std::string workload;  // "namespace/name".
  EndpointTls tls = EndpointTls::kMutual;
  // The identities it may prove; never empty for kMutual.
  std::vector<base::SpiffeId> principals;
  uint32_t weight = 1;
  // The local IP address to connect from; none lets the kernel choose.
  base::SocketAddress source;
  std::shared_ptr<const TlsOrigination> origination = {};  // Never null for kOriginated.
  std::string locality = {};  // "region/zone/subzone", or less of it; empty: not known.
};

struct ServicePort {
  uint16_t number = 0;
  Protocol protocol = Protocol::kTcp;
  std::vector<Endpoint> endpoints;
  TrafficPolicy policy = {};
  // Of all its endpoints; null: each is spoken to as it accepts.
  std::shared_ptr<const TlsOrigination> origination = {};
};

// A workload that answers every port at one address, for connections to that address.
struct CapturedWorkload {
  std::string workload;  // "namespace/name".
  std::vector<base::SpiffeId> principals;
  EndpointTls tls = EndpointTls::kMutual;
  absl::flat_hash_map<uint16_t, EndpointTls> port_tls;

  EndpointTls ForPort(uint16_t port) const;
};

struct Service {
  std::string host;
  std::string name_space;
  std::vector<ServicePort> ports;
  absl::optional<CapturedWorkload> captured;  // Instead of ports.

  const ServicePort* FindPort(uint16_t number) const;
};

// This workload's own settings.
struct WorkloadModes {
  MtlsMode mode = MtlsMode::kStrict;  // Until the control plane has spoken: the safe one.
  absl::flat_hash_map<uint16_t, MtlsMode> port_modes;
  PathNormalization path_normalization = PathNormalization::kDecodeAndMergeSlashes;
  std::string locality = {};  // As an endpoint's.
  // Where its application is spoken to in HTTP/2 although the port itself declares nothing.
  absl::flat_hash_set<uint16_t> http2_ports = {};

  MtlsMode ForPort(uint16_t port) const;
};

struct Snapshot {
  uint64_t version = 0;  // Grows with every change.
  WorkloadModes modes;
  // By host, and by the IP addresses that captured connections went to.
  absl::flat_hash_map<std::string, std::shared_ptr<const Service>> services;
  // What was asked for and is nobody's in the mesh.
  absl::flat_hash_set<std::string> absent;

  const Service* FindService(absl::string_view host) const;
};

}  // namespace kith::mesh
