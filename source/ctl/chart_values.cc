#include "source/ctl/chart_values.h"

#include <regex>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "source/base/status.h"

namespace kith::ctl {
namespace {

using inject::Json;

constexpr size_t kMaxPatternText = 1000;  // The library's matching recurses over it.

// Splits at what is not escaped; the parts keep their escapes.
std::vector<std::string> SplitUnescaped(absl::string_view text, char at) {
  std::vector<std::string> parts(1);
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == at) {
      parts.emplace_back();
      continue;
    }
    parts.back() += text[i];
    if (text[i] == '\\' && i + 1 < text.size()) parts.back() += text[++i];
  }
  return parts;
}

std::string Unescaped(absl::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    plain += text[i];
  }
  return plain;
}

Json Typed(absl::string_view text) {
  if (text == "true") return true;
  if (text == "false") return false;
  if (text == "null") return nullptr;
  int64_t number;
  const bool leading_zero = text.size() > 1 && text[0] == '0';
  if (!leading_zero && absl::SimpleAtoi(text, &number)) return number;
  return Unescaped(text);
}

absl::Status SetOne(absl::string_view assignment, Json& values) {
  const std::vector<std::string> sides = SplitUnescaped(assignment, '=');
  if (sides.size() < 2) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", assignment, "\" has no \"=\"; write KEY=VALUE"));
  }
  const absl::string_view value = assignment.substr(sides[0].size() + 1);
  if (absl::StrContains(sides[0], '[') || absl::StartsWith(value, "{") ||
      absl::StartsWith(value, "[")) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", assignment, "\": lists and maps are written in a file, for -f"));
  }
  Json* place = &values;
  for (const std::string& part : SplitUnescaped(sides[0], '.')) {
    if (part.empty()) {
      return absl::InvalidArgumentError(absl::StrCat("\"", sides[0], "\" is no key"));
    }
    if (!place->is_object()) *place = Json::object();
    place = &(*place)[Unescaped(part)];
  }
  *place = Typed(value);
  return absl::OkStatus();
}

bool HasType(const Json& value, absl::string_view type) {
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_boolean();
  return type == "integer" && value.is_number_integer();
}

std::string Below(const std::string& path, const std::string& key) {
  return path.empty() ? key : absl::StrCat(path, ".", key);
}

absl::Status Wrong(const std::string& path, absl::string_view problem) {
  return absl::InvalidArgumentError(absl::StrCat(path.empty() ? "values" : path, ": ", problem));
}

absl::Status Check(const Json& value, const Json& schema, const std::string& path);

absl::Status CheckMembers(const Json& value, const Json& schema, const std::string& path) {
  static const Json& none = *new Json(Json::object());
  const Json* found = inject::Find(schema, "properties");
  const Json& known = found == nullptr ? none : *found;
  const Json* others = inject::Find(schema, "additionalProperties");
  for (const auto& [key, member] : value.items()) {
    if (known.contains(key)) {
      KITH_RETURN_IF_ERROR(Check(member, known[key], Below(path, key)));
    } else if (others != nullptr && *others == false) {
      std::vector<std::string> names;
      for (const auto& [name, unused] : known.items()) names.push_back(name);
      return Wrong(Below(path, key),
                   absl::StrCat("is not known; there is ", absl::StrJoin(names, ", ")));
    }
  }
  if (const Json* required = inject::Find(schema, "required"); required != nullptr) {
    for (const Json& key : *required) {
      if (!value.contains(key.get<std::string>())) {
        return Wrong(Below(path, key.get<std::string>()), "is required");
      }
    }
  }
  return absl::OkStatus();
}

absl::Status CheckText(const std::string& text, const Json& schema, const std::string& path) {
  if (const Json* least = inject::Find(schema, "minLength");
      least != nullptr && text.size() < least->get<size_t>()) {
    return Wrong(path, "must not be empty");
  }
  const std::string pattern = inject::Text(schema, "pattern");
  if (!pattern.empty() &&
      (text.size() > kMaxPatternText || !std::regex_search(text, std::regex(pattern)))) {
    return Wrong(path, absl::StrCat("does not match ", pattern));
  }
  return absl::OkStatus();
}

absl::Status Check(const Json& value, const Json& schema, const std::string& path) {
  for (const auto& [keyword, unused] : schema.items()) {
    static constexpr absl::string_view kKnown[] = {
        "$schema",   "type",    "properties", "additionalProperties", "required", "items", "enum",
        "minLength", "pattern", "minimum"};
    bool is_known = false;
    for (const absl::string_view known : kKnown) is_known |= keyword == known;
    if (!is_known) {
      return absl::InternalError(absl::StrCat("values.schema.json: ", keyword, " is not checked"));
    }
  }
  const std::string type = inject::Text(schema, "type");
  if (!type.empty() && !HasType(value, type)) {
    return Wrong(path, absl::StrCat("must be of the type ", type, ", and is ",
                                    inject::Dump(value).substr(0, 60)));
  }
  if (const Json* choices = inject::Find(schema, "enum"); choices != nullptr) {
    bool is_one = false;
    for (const Json& choice : *choices) is_one |= choice == value;
    if (!is_one) {
      return Wrong(path, absl::StrCat(inject::Dump(value).substr(0, 60), " is not one of ",
                                      inject::Dump(*choices)));
    }
  }
  if (const Json* least = inject::Find(schema, "minimum");
      least != nullptr && value.is_number() && value < *least) {
    return Wrong(path, absl::StrCat("must be at least ", inject::Dump(*least)));
  }
  if (value.is_string()) {
    return CheckText(value.get_ref<const std::string&>(), schema, path);
  }
  if (const Json* items = inject::Find(schema, "items"); items != nullptr && value.is_array()) {
    for (size_t i = 0; i < value.size(); ++i) {
      KITH_RETURN_IF_ERROR(Check(value[i], *items, absl::StrCat(path, "[", i, "]")));
    }
  }
  return value.is_object() ? CheckMembers(value, schema, path) : absl::OkStatus();
}

}  // namespace

void MergeValues(const Json& over, Json& values) {
  if (!over.is_object() || !values.is_object()) {
    values = over;
    return;
  }
  for (const auto& [key, value] : over.items()) MergeValues(value, values[key]);
}

absl::Status SetValues(absl::string_view assignments, Json& values) {
  for (const std::string& assignment : SplitUnescaped(assignments, ',')) {
    KITH_RETURN_IF_ERROR(SetOne(assignment, values));
  }
  return absl::OkStatus();
}

absl::Status CheckValues(const Json& values, const Json& schema) {
  return Check(values, schema, "");
}

}  // namespace kith::ctl
