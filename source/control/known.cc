#include "source/control/known.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/unknown_field_set.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "source/base/status.h"

namespace kith::control {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

absl::Status CheckAt(const Message& message, const std::string& path);

absl::Status CheckEnum(const FieldDescriptor& field, int value, const std::string& path) {
  if (field.enum_type()->FindValueByNumber(value) != nullptr) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      path, ": value ", value, " is unknown here; is the control plane newer than this sidecar?"));
}

absl::Status CheckField(const Message& message, const FieldDescriptor& field,
                        const std::string& path) {
  const Reflection& reflection = *message.GetReflection();
  const bool is_enum = field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM;
  if (!is_enum && field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) return absl::OkStatus();
  if (!field.is_repeated()) {
    if (is_enum) return CheckEnum(field, reflection.GetEnumValue(message, &field), path);
    return CheckAt(reflection.GetMessage(message, &field), path);
  }
  for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
    const std::string element = absl::StrCat(path, "[", i, "]");
    if (is_enum) {
      const int value = reflection.GetRepeatedEnumValue(message, &field, i);
      KITH_RETURN_IF_ERROR(CheckEnum(field, value, element));
    } else {
      KITH_RETURN_IF_ERROR(CheckAt(reflection.GetRepeatedMessage(message, &field, i), element));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckAt(const Message& message, const std::string& path) {
  const Reflection& reflection = *message.GetReflection();
  const auto& unknown = reflection.GetUnknownFields(message);
  if (!unknown.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path.empty() ? message.GetDescriptor()->name() : path, ": field number ",
                     unknown.field(0).number(),
                     " is unknown here; is the control plane newer than this sidecar?"));
  }
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    KITH_RETURN_IF_ERROR(CheckField(
        message, *field, absl::StrCat(path, path.empty() ? "" : ".", field->json_name())));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckKnown(const Message& message) { return CheckAt(message, ""); }

}  // namespace kith::control
