// Which policies concern a workload: by namespace, and by the labels their selector asks for.
// Threads: any, pure functions. Owns: nothing. Errors: none; labels and targets that a policy may
// not name are refused where it is validated.
#pragma once

#include <google/protobuf/map.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace kith::meta::v1 {
class ObjectMeta;
}
namespace kith::security::v1 {
class AuthorizationPolicy;
class WorkloadSelector;
}  // namespace kith::security::v1

namespace kith::policy {

using Labels = google::protobuf::Map<std::string, std::string>;

// Whom policies are selected for. Everything is borrowed for the call.
struct Workload {
  absl::string_view root_namespace;  // Its policies concern every namespace.
  absl::string_view name_space;
  const Labels& labels;
};

// The namespace of an object: "default" when it names none, as kubectl reads it.
absl::string_view NamespaceOf(const meta::v1::ObjectMeta& metadata);

// Whether `selector` asks for labels at all; without any it selects every workload.
bool HasLabels(const security::v1::WorkloadSelector& selector);
bool SelectsLabels(const security::v1::WorkloadSelector& selector, const Labels& labels);

// Whether the policy applies to the workload's sidecar. One with targetRefs never does: it is meant
// for gateways and waypoints.
bool Selects(const security::v1::AuthorizationPolicy& policy, const Workload& workload);

// Labels that a selector may ask for: no empty key, no "*". INVALID_ARGUMENT "matchLabels[...]:
// ...".
absl::Status ValidateSelector(const security::v1::WorkloadSelector& selector);

// What every kind of policy is asked for: a name, and labels as above.
absl::Status ValidateScope(const meta::v1::ObjectMeta& metadata,
                           const security::v1::WorkloadSelector& selector);
// For kinds of which the oldest object counts: RFC 3339, if it has one.
absl::Status ValidateCreationTime(const meta::v1::ObjectMeta& metadata);

}  // namespace kith::policy
