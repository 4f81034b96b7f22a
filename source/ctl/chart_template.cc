#include "source/ctl/chart_template.h"

#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "source/base/status.h"

namespace kith::ctl {
namespace {

using inject::Json;

absl::StatusOr<const Json*> LookUp(absl::string_view path, const Json& scope) {
  if (!absl::ConsumePrefix(&path, ".")) {
    return absl::InvalidArgumentError(absl::StrCat("\"", path, "\" is no path"));
  }
  const Json* found = &scope;
  for (const absl::string_view part : absl::StrSplit(path, '.')) {
    const std::string key(part);
    const auto member = found->is_object() ? found->find(key) : found->end();
    if (!found->is_object() || member == found->end()) {
      return absl::InvalidArgumentError(absl::StrCat("there is no .", path));
    }
    found = &*member;
  }
  return found;
}

// As Go's templates judge it.
bool IsTrue(const Json& value) {
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number()) return value != 0;
  if (value.is_string()) return !value.get_ref<const std::string&>().empty();
  return !value.is_null() && !value.empty();
}

absl::StatusOr<std::string> Evaluate(absl::string_view expression, const Json& scope) {
  const bool as_json = absl::ConsumePrefix(&expression, "toJson ");
  KITH_ASSIGN_OR_RETURN(const Json* value, LookUp(expression, scope));
  if (as_json) return inject::Canonical(*value);
  return value->is_string() ? value->get<std::string>() : inject::Dump(*value);
}

class Renderer {
 public:
  explicit Renderer(const Json& scope) : scope_(scope) {}

  absl::Status Line(absl::string_view line) {
    absl::string_view action = absl::StripAsciiWhitespace(line);
    if (absl::ConsumePrefix(&action, "{{- ")) {
      if (!absl::ConsumeSuffix(&action, " }}")) {
        return absl::InvalidArgumentError("{{- without }} at the line's end");
      }
      return Control(action);
    }
    return Shown() ? Text(line) : absl::OkStatus();
  }

  absl::StatusOr<std::string> Take() {
    if (!open_.empty()) return absl::InvalidArgumentError("an if has no end");
    return std::move(out_);
  }

 private:
  bool Shown() const {
    for (const bool shown : open_) {
      if (!shown) return false;
    }
    return true;
  }

  absl::Status Control(absl::string_view action) {
    if (absl::ConsumePrefix(&action, "if ")) {
      KITH_ASSIGN_OR_RETURN(const Json* value, LookUp(action, scope_));
      open_.push_back(IsTrue(*value));
      return absl::OkStatus();
    }
    if (action != "else" && action != "end") {
      return absl::InvalidArgumentError(absl::StrCat("{{- ", action, " }} is not understood"));
    }
    if (open_.empty()) return absl::InvalidArgumentError(absl::StrCat(action, " without an if"));
    if (action == "end") {
      open_.pop_back();
    } else {
      open_.back() = !open_.back();
    }
    return absl::OkStatus();
  }

  absl::Status Text(absl::string_view line) {
    for (size_t begin; (begin = line.find("{{ ")) != absl::string_view::npos;) {
      const size_t end = line.find(" }}", begin);
      if (end == absl::string_view::npos) return absl::InvalidArgumentError("{{ without }}");
      KITH_ASSIGN_OR_RETURN(const std::string value,
                            Evaluate(line.substr(begin + 3, end - begin - 3), scope_));
      absl::StrAppend(&out_, line.substr(0, begin), value);
      line.remove_prefix(end + 3);
    }
    if (absl::StrContains(line, "{{")) {
      return absl::InvalidArgumentError("this use of {{ is not understood");
    }
    absl::StrAppend(&out_, line, "\n");
    return absl::OkStatus();
  }

  const Json& scope_;
  std::vector<bool> open_;  // Whether the part of each open if is shown.
  std::string out_;
};

}  // namespace

absl::StatusOr<std::string> RenderTemplate(absl::string_view text, const std::string& file,
                                           const Json& scope) {
  Renderer renderer(scope);
  int number = 0;
  for (const absl::string_view line : absl::StrSplit(absl::StripSuffix(text, "\n"), '\n')) {
    ++number;
    if (const absl::Status done = renderer.Line(line); !done.ok()) {
      return base::Annotate(done, absl::StrCat(file, ":", number));
    }
  }
  absl::StatusOr<std::string> rendered = renderer.Take();
  if (!rendered.ok()) return base::Annotate(rendered.status(), file);
  return rendered;
}

}  // namespace kith::ctl
