// From the documents that describe destinations to definitions: what is wrong or not supported yet
// is refused, with the field and what to write instead. Threads: pure functions. Owns: nothing.
// Errors: INVALID_ARGUMENT, or UNIMPLEMENTED for what a later version may do; the message begins
// with the field's path.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kith/meta/v1/object.pb.h"
#include "kith/networking/v1/service.pb.h"
#include "kith/networking/v1/service_entry.pb.h"
#include "kith/networking/v1/workload_entry.pb.h"
#include "source/controlplane/registry/mesh_state.h"

namespace kith::controlplane {

// metadata.name and metadata.namespace; fills in the namespace "default".
absl::Status CheckMetadata(meta::v1::ObjectMeta& metadata);

// A DNS name that documents of this namespace may define or rule.
absl::Status CheckHost(absl::string_view field, absl::string_view host,
                       absl::string_view name_space);

// The metadata must have been checked.
// What a cluster says of a Service its EndpointSlices complete: it may have no selector, and ports
// of workloads by name.
enum class Origin : uint8_t { kFile, kCluster };
absl::StatusOr<ServiceDefinition> FromService(const networking::v1::Service& service,
                                              Origin origin);
absl::StatusOr<std::vector<ServiceDefinition>> FromServiceEntry(
    const networking::v1::ServiceEntry& entry);
absl::StatusOr<StaticWorkload> FromWorkloadEntry(const networking::v1::WorkloadEntry& entry);

// How a port speaks: by appProtocol, else by its name up to the first '-', else opaque TCP.
PortProtocol ProtocolOf(absl::string_view app_protocol, absl::string_view port_name);
// By appProtocol, else by how its name begins: postgres, mysql, mariadb.
InBandTls InBandTlsOf(absl::string_view app_protocol, absl::string_view port_name);

}  // namespace kith::controlplane
