// Objects of the Kubernetes API as the registry's documents: the kinds it knows, without what the
// API server adds, and pods without a sidecar as WorkloadEntries, so that a Service reaches them.
// Threads: any, pure. Owns: nothing. Errors: none; what is no use is nothing.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "nlohmann/json.hpp"

namespace kith::controlplane {

// What stands for the object among the registry's files.
struct ObjectDocument {
  std::string name;  // "kubernetes/Service/demo/web".
  std::string text;
};

// Of an object from a list, whose items lack kind and apiVersion. Nothing for a pod that is not
// ready, has ended, or has a sidecar: that one says itself what it is.
absl::optional<ObjectDocument> DocumentOf(absl::string_view api_version, absl::string_view kind,
                                          const nlohmann::json& object);

// The name alone, of an object that may be of no use any more.
std::string DocumentName(absl::string_view kind, const nlohmann::json& object);

}  // namespace kith::controlplane
