#include "source/config/struct_value.h"

#include "source/config/scalar.h"

namespace kith::config {

void ReadAnyMap(const Node& node, google::protobuf::Struct& map) {
  for (const Node::Member& member : node.members) {
    ReadAnyValue(*member.value, (*map.mutable_fields())[member.key]);
  }
}

void ReadAnyList(const Node& node, google::protobuf::ListValue& list) {
  for (const Node* item : node.items) ReadAnyValue(*item, *list.add_values());
}

void ReadAnyValue(const Node& node, google::protobuf::Value& value) {
  switch (node.kind) {
    case Node::Kind::kNull:
      value.set_null_value(google::protobuf::NULL_VALUE);
      return;
    case Node::Kind::kSequence:
      ReadAnyList(node, *value.mutable_list_value());
      return;
    case Node::Kind::kMap:
      ReadAnyMap(node, *value.mutable_struct_value());
      return;
    case Node::Kind::kScalar:
      break;
  }
  if (absl::StatusOr<bool> boolean = ReadBool(node); boolean.ok()) {
    value.set_bool_value(*boolean);
  } else if (absl::StatusOr<double> number = ReadDouble(node); number.ok()) {
    value.set_number_value(*number);
  } else {
    value.set_string_value(node.text);
  }
}

}  // namespace kith::config
