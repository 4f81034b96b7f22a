// YAML of any shape as google.protobuf.Value: for parts of a document that are kept, not
// understood. Threads: any. Owns: nothing. Errors: none; what JSON has no number for (.inf, .nan,
// hexadecimal) becomes its text.
#pragma once

#include <google/protobuf/struct.pb.h>

#include "source/config/yaml.h"

namespace kith::config {

void ReadAnyValue(const Node& node, google::protobuf::Value& value);
void ReadAnyMap(const Node& node, google::protobuf::Struct& map);       // `node` is a map.
void ReadAnyList(const Node& node, google::protobuf::ListValue& list);  // `node` is a sequence.

}  // namespace kith::config
