// Fills a protobuf message from a tree of YAML nodes, through reflection.
// Threads: any. Owns: nothing.
// Errors: INVALID_ARGUMENT "file:line: path: what is wrong".
#pragma once

#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "source/config/yaml.h"

namespace google::protobuf {
class Message;
}

namespace kith::config {

// Reads the map `node` into `message`; keys of `node` itself that are in `skipped` are passed over.
absl::Status DecodeMessage(const Node& node, absl::string_view file,
                           const std::vector<absl::string_view>& skipped,
                           google::protobuf::Message& message);

}  // namespace kith::config
