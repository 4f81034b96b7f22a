#include "source/config/decode.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/duration.pb.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "kith/meta/v1/options.pb.h"
#include "source/config/scalar.h"
#include "source/config/struct_value.h"
#include "source/config/suggest.h"
#include "source/config/text.h"

namespace kith::config {
namespace {

namespace pb = google::protobuf;
using Field = pb::FieldDescriptor;

// Where the decoder is, as a chain on the stack; put into words only for an error.
struct Path {
  const Path* parent = nullptr;
  std::string step;  // "name", "[3]" or "[\"key\"]".

  std::string ToString() const {
    if (parent == nullptr) return step;
    const std::string before = parent->ToString();
    return absl::StrCat(before, before.empty() || step[0] == '[' ? "" : ".", step);
  }
};

template <typename T>
T* As(pb::Message& message) {
  return pb::DynamicCastToGenerated<T>(&message);
}

std::vector<std::string> AllowedValues(const pb::EnumDescriptor& type) {
  std::vector<std::string> names;
  for (int i = 0; i < type.value_count(); ++i) {
    const std::string& name = type.value(i)->name();
    // What protobuf wants a zero to be called is not for people to write.
    if (name != "UNSPECIFIED" && !absl::EndsWith(name, "_UNSPECIFIED")) names.push_back(name);
  }
  return names;
}

absl::string_view ExampleOf(const Field& field) {
  if (field.is_map()) return "{key: value}";
  switch (field.cpp_type()) {
    case Field::CPPTYPE_MESSAGE:
      return "[{...}]";
    case Field::CPPTYPE_STRING:
      return "[\"value\"]";
    default:
      return "[value]";
  }
}

class Decoder {
 public:
  explicit Decoder(absl::string_view file) : file_(file) {}

  absl::Status ReadMessage(const Node& node, const Path& path,
                           const std::vector<absl::string_view>& skipped, pb::Message& message);

 private:
  absl::Status ReadField(const Node& node, const Path& path, const Field& field,
                         pb::Message& message);
  absl::Status ReadMap(const Node& node, const Path& path, const Field& field,
                       pb::Message& message);
  absl::Status ReadSubmessage(const Node& node, const Path& path, pb::Message& message);
  // One value: of a singular field, or one more of a repeated one.
  absl::Status ReadValue(const Node& node, const Path& path, const Field& field,
                         pb::Message& message);
  absl::Status ReadScalar(const Node& node, const Field& field, pb::Message& message);
  absl::Status ReadEnum(const Node& node, const Field& field, pb::Message& message);

  absl::Status UnknownField(int line, const Path& path, const pb::Descriptor& type,
                            const std::string& key) const;
  absl::Status Error(int line, const Path& path, absl::string_view what) const {
    const std::string where = path.ToString();
    return absl::InvalidArgumentError(
        absl::StrCat(file_, ":", line, ": ", where, where.empty() ? "" : ": ", what));
  }

  const absl::string_view file_;
};

absl::Status Decoder::UnknownField(int line, const Path& path, const pb::Descriptor& type,
                                   const std::string& key) const {
  std::vector<std::string> names;
  std::string meant;
  for (int i = 0; i < type.field_count(); ++i) {
    names.push_back(type.field(i)->json_name());
    if (type.field(i)->name() == key) meant = names.back();
  }
  if (meant.empty()) meant = Nearest(key, names);
  const std::string hint = meant.empty()
                               ? absl::StrCat("; known here: ", absl::StrJoin(names, ", "))
                               : absl::StrCat("; did you mean \"", meant, "\"?");
  return Error(line, path, absl::StrCat("unknown field", hint));
}

absl::Status Decoder::ReadMessage(const Node& node, const Path& path,
                                  const std::vector<absl::string_view>& skipped,
                                  pb::Message& message) {
  if (node.kind != Node::Kind::kMap) {
    return Error(node.line, path, absl::StrCat("needs a map of fields, found ", Describe(node)));
  }
  const pb::Descriptor& type = *message.GetDescriptor();
  for (const Node::Member& member : node.members) {
    if (std::find(skipped.begin(), skipped.end(), member.key) != skipped.end()) continue;
    const Path inner{&path, ShowName(member.key)};
    const Field* field = nullptr;
    for (int i = 0; i < type.field_count() && field == nullptr; ++i) {
      if (type.field(i)->json_name() == member.key) field = type.field(i);
    }
    if (field == nullptr) {
      return UnknownField(member.line, inner, type, member.key);
    }
    const pb::OneofDescriptor* choice = field->real_containing_oneof();
    if (choice != nullptr && message.GetReflection()->HasOneof(message, choice)) {
      const Field* other = message.GetReflection()->GetOneofFieldDescriptor(message, choice);
      return Error(member.line, inner,
                   absl::StrCat("cannot stand beside ", other->json_name(), "; keep one of them"));
    }
    if (absl::Status status = ReadField(*member.value, inner, *field, message); !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

absl::Status Decoder::ReadField(const Node& node, const Path& path, const Field& field,
                                pb::Message& message) {
  const bool any_value = field.cpp_type() == Field::CPPTYPE_MESSAGE && !field.is_repeated() &&
                         field.message_type()->full_name() == "google.protobuf.Value";
  if (node.kind == Node::Kind::kNull && !any_value) {
    if (field.options().GetExtension(meta::v1::null_is_absent)) return absl::OkStatus();
    return Error(node.line, path, "is empty; give it a value or remove it");
  }
  if (field.options().GetExtension(meta::v1::not_empty) && node.kind != Node::Kind::kScalar &&
      node.items.empty() && node.members.empty()) {
    return Error(node.line, path, "must not be empty; fill it or remove it");
  }
  if (field.is_map()) return ReadMap(node, path, field, message);
  if (!field.is_repeated()) return ReadValue(node, path, field, message);
  if (node.kind != Node::Kind::kSequence) {
    return Error(
        node.line, path,
        absl::StrCat("needs a list, as in ", ExampleOf(field), ", found ", Describe(node)));
  }
  for (size_t i = 0; i < node.items.size(); ++i) {
    const Path inner{&path, absl::StrCat("[", i, "]")};
    if (node.items[i]->kind == Node::Kind::kNull) {
      return Error(node.items[i]->line, inner, "is empty; give it a value or remove it");
    }
    absl::Status status = ReadValue(*node.items[i], inner, field, message);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Decoder::ReadMap(const Node& node, const Path& path, const Field& field,
                              pb::Message& message) {
  if (node.kind != Node::Kind::kMap) {
    return Error(node.line, path,
                 absl::StrCat("needs a map, as in ", ExampleOf(field), ", found ", Describe(node)));
  }
  const Field& key_field = *field.message_type()->map_key();
  const Field& value_field = *field.message_type()->map_value();
  for (const Node::Member& member : node.members) {
    const bool text_key = key_field.cpp_type() == Field::CPPTYPE_STRING;
    const Path inner{&path,
                     absl::StrCat("[", text_key ? Quote(member.key) : ShowName(member.key), "]")};
    pb::Message& entry = *message.GetReflection()->AddMessage(&message, &field);
    // A key is what its text says: YAML and JSON differ in whether it is quoted.
    Node key;
    key.kind = Node::Kind::kScalar;
    key.plain = !text_key;
    key.text = member.key;
    if (absl::Status status = ReadScalar(key, key_field, entry); !status.ok()) {
      return Error(member.line, inner, absl::StrCat("key ", status.message()));
    }
    if (member.value->kind == Node::Kind::kNull) {
      return Error(member.line, inner, "is empty; give it a value or remove it");
    }
    absl::Status status = ReadValue(*member.value, inner, value_field, entry);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Decoder::ReadSubmessage(const Node& node, const Path& path, pb::Message& message) {
  if (auto* duration = As<pb::Duration>(message)) {
    absl::StatusOr<absl::Duration> read = ReadDuration(node);
    if (!read.ok()) return Error(node.line, path, read.status().message());
    duration->set_seconds(absl::IDivDuration(*read, absl::Seconds(1), &*read));
    duration->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(*read)));
    return absl::OkStatus();
  }
  if (auto* value = As<pb::Value>(message)) return ReadAnyValue(node, *value), absl::OkStatus();
  if (auto* map = As<pb::Struct>(message)) {
    if (node.kind == Node::Kind::kMap) return ReadAnyMap(node, *map), absl::OkStatus();
    return Error(node.line, path, absl::StrCat("needs a map, found ", Describe(node)));
  }
  if (auto* list = As<pb::ListValue>(message)) {
    if (node.kind == Node::Kind::kSequence) return ReadAnyList(node, *list), absl::OkStatus();
    return Error(node.line, path, absl::StrCat("needs a list, found ", Describe(node)));
  }
  const std::string& name = message.GetDescriptor()->full_name();
  if (absl::StartsWith(name, "google.protobuf.")) {
    return Error(node.line, path,
                 absl::StrCat("fields of type ", name, " cannot be read from files"));
  }
  return ReadMessage(node, path, {}, message);
}

absl::Status Decoder::ReadValue(const Node& node, const Path& path, const Field& field,
                                pb::Message& message) {
  if (field.cpp_type() == Field::CPPTYPE_MESSAGE) {
    const pb::Reflection& reflection = *message.GetReflection();
    return ReadSubmessage(node, path,
                          field.is_repeated() ? *reflection.AddMessage(&message, &field)
                                              : *reflection.MutableMessage(&message, &field));
  }
  if (absl::Status status = ReadScalar(node, field, message); !status.ok()) {
    return Error(node.line, path, status.message());
  }
  return absl::OkStatus();
}

absl::Status Decoder::ReadEnum(const Node& node, const Field& field, pb::Message& message) {
  // Not ReadString(): OFF may well be a value's name, or meant to be one.
  if (node.kind != Node::Kind::kScalar) {
    return absl::InvalidArgumentError(absl::StrCat("needs one value, found ", Describe(node)));
  }
  const std::vector<std::string> allowed = AllowedValues(*field.enum_type());
  if (std::find(allowed.begin(), allowed.end(), node.text) == allowed.end()) {
    const std::string meant = Nearest(node.text, allowed);
    return absl::InvalidArgumentError(absl::StrCat(
        "unknown value ", Quote(node.text), "; allowed: ", absl::StrJoin(allowed, ", "),
        meant.empty() ? "" : absl::StrCat("; did you mean \"", meant, "\"?")));
  }
  const pb::EnumValueDescriptor* value = field.enum_type()->FindValueByName(node.text);
  const pb::Reflection& reflection = *message.GetReflection();
  field.is_repeated() ? reflection.AddEnum(&message, &field, value)
                      : reflection.SetEnum(&message, &field, value);
  return absl::OkStatus();
}

// Stores what Read...() gave into the field, or passes its error on.
#define KITH_STORE(Type, reading)                                 \
  {                                                               \
    auto value = (reading);                                       \
    if (!value.ok()) return value.status();                       \
    field.is_repeated() ? to.Add##Type(&message, &field, *value)  \
                        : to.Set##Type(&message, &field, *value); \
    return absl::OkStatus();                                      \
  }

absl::Status Decoder::ReadScalar(const Node& node, const Field& field, pb::Message& message) {
  const pb::Reflection& to = *message.GetReflection();
  using Int32 = std::numeric_limits<int32_t>;
  using Int64 = std::numeric_limits<int64_t>;
  switch (field.cpp_type()) {
    case Field::CPPTYPE_INT32:
      KITH_STORE(Int32, ReadInt(node, Int32::min(), Int32::max()));
    case Field::CPPTYPE_INT64:
      KITH_STORE(Int64, ReadInt(node, Int64::min(), Int64::max()));
    case Field::CPPTYPE_UINT32:
      KITH_STORE(UInt32, ReadUint(node, std::numeric_limits<uint32_t>::max()));
    case Field::CPPTYPE_UINT64:
      KITH_STORE(UInt64, ReadUint(node, std::numeric_limits<uint64_t>::max()));
    case Field::CPPTYPE_DOUBLE:
      KITH_STORE(Double, ReadDouble(node));
    case Field::CPPTYPE_FLOAT:
      KITH_STORE(Float, ReadDouble(node));
    case Field::CPPTYPE_BOOL:
      KITH_STORE(Bool, ReadBool(node));
    case Field::CPPTYPE_STRING:
      KITH_STORE(String, field.type() == Field::TYPE_BYTES ? ReadBytes(node) : ReadString(node));
    case Field::CPPTYPE_ENUM:
      return ReadEnum(node, field, message);
    case Field::CPPTYPE_MESSAGE:
      break;
  }
  return absl::InternalError("not a scalar field");
}
#undef KITH_STORE

}  // namespace

absl::Status DecodeMessage(const Node& node, absl::string_view file,
                           const std::vector<absl::string_view>& skipped, pb::Message& message) {
  message.Clear();
  return Decoder(file).ReadMessage(node, Path{}, skipped, message);
}

}  // namespace kith::config
