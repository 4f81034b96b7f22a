#include "source/inject/manifest.h"

#include <charconv>
#include <cmath>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/types/optional.h"
#include "source/base/status.h"
#include "source/config/scalar.h"
#include "source/config/yaml.h"

namespace kith::inject {
namespace {

constexpr config::Limits kLimits = {
    .bytes = size_t{16} << 20, .depth = 64, .nodes = 2'000'000, .documents = 10'000};

absl::StatusOr<Json> ToJson(const config::Node& node, const std::string& file);

// Nothing unless all of `digits` is a number to that base that fits.
absl::optional<int64_t> Integer(absl::string_view digits, int base) {
  int64_t value = 0;
  const char* end = digits.data() + digits.size();
  const std::from_chars_result read = std::from_chars(digits.data(), end, value, base);
  if (digits.empty() || read.ec != std::errc() || read.ptr != end) return absl::nullopt;
  return value;
}

Json Number(const std::string& text) {
  const bool negative = absl::StartsWith(text, "-");
  const std::string digits = absl::StrReplaceAll(
      absl::string_view(text).substr(negative || absl::StartsWith(text, "+") ? 1 : 0), {{"_", ""}});
  absl::optional<int64_t> integer;
  if (absl::StartsWithIgnoreCase(digits, "0x")) {
    integer = Integer(absl::string_view(digits).substr(2), 16);
  } else if (absl::StartsWith(digits, "0o")) {
    integer = Integer(absl::string_view(digits).substr(2), 8);
  } else {
    integer = Integer(digits, digits.size() > 1 && digits[0] == '0' ? 8 : 10);
  }
  if (integer.has_value()) return negative ? -*integer : *integer;
  double real = 0;
  if (absl::SimpleAtod(digits, &real) && std::isfinite(real)) return negative ? -real : real;
  return text;
}

Json Scalar(const config::Node& node) {
  if (!node.plain) return node.text;
  switch (config::MeaningOf(node.text)) {
    case config::Meaning::kBoolean: {
      const char first = absl::ascii_tolower(static_cast<unsigned char>(node.text[0]));
      return first == 'y' || first == 't' || absl::EqualsIgnoreCase(node.text, "on");
    }
    case config::Meaning::kNumber:
      return Number(node.text);
    case config::Meaning::kText:
      break;
  }
  return node.text;
}

absl::StatusOr<Json> MapToJson(const config::Node& node, const std::string& file) {
  Json map = Json::object();
  for (const config::Node::Member& member : node.members) {
    if (member.key == "<<") {
      return absl::InvalidArgumentError(absl::StrCat(
          file, ":", member.line, ": merge keys (<<) are not understood; write the fields out"));
    }
    KITH_ASSIGN_OR_RETURN(map[member.key], ToJson(*member.value, file));
  }
  return map;
}

absl::StatusOr<Json> ToJson(const config::Node& node, const std::string& file) {
  switch (node.kind) {
    case config::Node::Kind::kNull:
      return Json(nullptr);
    case config::Node::Kind::kScalar:
      return Scalar(node);
    case config::Node::Kind::kMap:
      return MapToJson(node, file);
    case config::Node::Kind::kSequence:
      break;
  }
  Json list = Json::array();
  for (const config::Node* item : node.items) {
    KITH_ASSIGN_OR_RETURN(Json json, ToJson(*item, file));
    list.push_back(std::move(json));
  }
  return list;
}

bool IsSeparator(absl::string_view line) {
  return absl::StartsWith(line, "---") && (line.size() == 3 || absl::ascii_isspace(line[3]));
}

// Only letters, digits and what means nothing to YAML wherever it stands.
bool IsPlain(absl::string_view text) {
  if (text.empty() || !(absl::ascii_isalpha(text[0]) || text[0] == '/' || text[0] == '_')) {
    return false;
  }
  for (const char c : text) {
    if (!absl::ascii_isalnum(c) && !absl::StrContains("_./-", c)) return false;
  }
  return config::MeaningOf(text) == config::Meaning::kText && !absl::EqualsIgnoreCase(text, "null");
}

bool IsPrintable(absl::string_view text) {
  for (const char c : text) {
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) return false;
  }
  return true;
}

std::string Quoted(const std::string& text) {
  if (absl::StrContains(text, '"') && IsPrintable(text)) {
    return absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "''"}}), "'");
  }
  return Dump(text);
}

// Lines that a literal block shows as they are.
bool FitsABlock(const std::string& text) {
  if (!absl::StrContains(text, '\n') || text[0] == ' ' || text[0] == '\n') return false;
  if (absl::EndsWith(text, "\n\n")) return false;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (!IsPrintable(line) || absl::EndsWith(line, " ")) return false;
  }
  return true;
}

class Writer {
 public:
  std::string Take() { return std::move(out_); }

  // What follows "key:" or "-", up to and with the end of its last line.
  void Value(const Json& json, int indent) {
    if (json.is_object() && !json.empty()) {
      out_ += '\n';
      Map(json, indent);
    } else if (json.is_array() && !json.empty()) {
      out_ += '\n';
      List(json, indent);
    } else {
      absl::StrAppend(&out_, " ", Text(json, indent), "\n");
    }
  }

  void Map(const Json& json, int indent) {
    for (const auto& [key, value] : json.items()) {
      absl::StrAppend(&out_, std::string(static_cast<size_t>(indent), ' '));
      Member(key, value, indent);
    }
  }

  void List(const Json& json, int indent) {
    for (const Json& item : json) {
      absl::StrAppend(&out_, std::string(static_cast<size_t>(indent), ' '), "-");
      if (!item.is_object() || item.empty()) {
        Value(item, indent + 2);
        continue;
      }
      // The first member stands on the dash's line.
      bool first = true;
      for (const auto& [key, value] : item.items()) {
        absl::StrAppend(&out_, first ? " " : std::string(static_cast<size_t>(indent) + 2, ' '));
        Member(key, value, indent + 2);
        first = false;
      }
    }
  }

 private:
  void Member(const std::string& key, const Json& value, int indent) {
    absl::StrAppend(&out_, IsPlain(key) ? key : Quoted(key), ":");
    // A list stands below its key, as kubectl writes it.
    Value(value, value.is_array() ? indent : indent + 2);
  }

  static std::string Text(const Json& json, int indent) {
    if (!json.is_string()) return Dump(json);
    const std::string& text = json.get_ref<const std::string&>();
    if (IsPlain(text)) return text;
    if (!FitsABlock(text)) return Quoted(text);
    std::string block = absl::EndsWith(text, "\n") ? "|" : "|-";
    for (const absl::string_view line : absl::StrSplit(absl::StripSuffix(text, "\n"), '\n')) {
      absl::StrAppend(&block, "\n");
      if (!line.empty())
        absl::StrAppend(&block, std::string(static_cast<size_t>(indent), ' '), line);
    }
    return block;
  }

  std::string out_;
};

}  // namespace

std::string ToYaml(const Json& json) {
  Writer writer;
  if (json.is_object() && !json.empty()) {
    writer.Map(json, 0);
  } else if (json.is_array() && !json.empty()) {
    writer.List(json, 0);
  } else {
    return absl::StrCat(Dump(json), "\n");
  }
  return writer.Take();
}

std::string ManifestPart::Rewritten() const {
  std::string comments;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (!absl::StartsWith(line, "#")) break;
    absl::StrAppend(&comments, line, "\n");
  }
  return absl::StrCat(comments, ToYaml(object));
}

absl::StatusOr<std::vector<ManifestPart>> ParseManifest(absl::string_view text,
                                                        const std::string& file) {
  std::vector<ManifestPart> parts(1);
  int line_number = 0;
  std::vector<int> first_lines = {1};
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const absl::string_view line = text.substr(0, end == absl::string_view::npos ? end : end + 1);
    text.remove_prefix(line.size());
    ++line_number;
    if (IsSeparator(line)) {
      parts.emplace_back();
      parts.back().separator = std::string(line);
      first_lines.push_back(line_number + 1);
    } else {
      absl::StrAppend(&parts.back().text, line);
    }
  }
  for (size_t i = 0; i < parts.size(); ++i) {
    // Empty lines in front keep the numbers of lines those of the whole file.
    const std::string padded =
        absl::StrCat(std::string(static_cast<size_t>(first_lines[i] - 1), '\n'), parts[i].text);
    KITH_ASSIGN_OR_RETURN(const auto tree, config::ParseYaml(padded, file, kLimits));
    if (tree->documents.size() > 1) {
      return absl::InvalidArgumentError(absl::StrCat(file, ":", tree->documents[1]->line,
                                                     ": documents are parted by lines of ---"));
    }
    if (tree->documents.empty()) continue;
    KITH_ASSIGN_OR_RETURN(parts[i].object, ToJson(*tree->documents[0], file));
  }
  return parts;
}

}  // namespace kith::inject
