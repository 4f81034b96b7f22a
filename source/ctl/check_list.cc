#include "source/ctl/check_list.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

namespace kith::ctl {
namespace {

const char* MarkOf(CheckList::Outcome outcome, CheckList::Marks marks) {
  const bool unicode = marks == CheckList::Marks::kUnicode;
  switch (outcome) {
    case CheckList::Outcome::kGood:
      return unicode ? "√" : "ok  ";
    case CheckList::Outcome::kWarning:
      return unicode ? "‼" : "warn";
    case CheckList::Outcome::kBad:
      break;
  }
  return unicode ? "×" : "FAIL";
}

const char* NameOf(CheckList::Outcome outcome) {
  switch (outcome) {
    case CheckList::Outcome::kGood:
      return "good";
    case CheckList::Outcome::kWarning:
      return "warning";
    case CheckList::Outcome::kBad:
      break;
  }
  return "bad";
}

}  // namespace

void CheckList::Good(std::string what, std::string detail) {
  lines_.push_back({Outcome::kGood, category_, std::move(what), std::move(detail), ""});
}

void CheckList::Warn(std::string what, std::string detail, std::string hint) {
  lines_.push_back(
      {Outcome::kWarning, category_, std::move(what), std::move(detail), std::move(hint)});
}

void CheckList::Bad(std::string what, std::string detail, std::string hint) {
  lines_.push_back({Outcome::kBad, category_, std::move(what), std::move(detail), std::move(hint)});
}

size_t CheckList::Count(Outcome outcome) const {
  return static_cast<size_t>(
      std::count_if(lines_.begin(), lines_.end(),
                    [outcome](const Line& line) { return line.outcome == outcome; }));
}

bool CheckList::any_bad() const { return Count(Outcome::kBad) > 0; }

std::string CheckList::ToText(Marks marks) const {
  std::string text;
  const std::string* category = nullptr;
  for (const Line& line : lines_) {
    if (category == nullptr || *category != line.category) {
      absl::StrAppend(&text, category == nullptr ? "" : "\n", line.category, "\n",
                      std::string(line.category.size(), '-'), "\n");
      category = &line.category;
    }
    absl::StrAppend(&text, MarkOf(line.outcome, marks), " ", line.what);
    if (line.outcome == Outcome::kGood) {
      if (!line.detail.empty()) absl::StrAppend(&text, " (", line.detail, ")");
    } else {
      absl::StrAppend(&text, "\n    ", line.detail, "\n    what to do: ", line.hint);
    }
    text += '\n';
  }
  const size_t bad = Count(Outcome::kBad);
  const size_t warnings = Count(Outcome::kWarning);
  absl::StrAppend(&text, "\n", lines_.size(), " checks: ", bad == 0 ? "none failed" : "",
                  bad == 0 ? "" : absl::StrCat(bad, " failed"), ", ", warnings, " warnings\n");
  return text;
}

nlohmann::json CheckList::ToJson() const {
  nlohmann::json checks = nlohmann::json::array();
  for (const Line& line : lines_) {
    nlohmann::json check = {
        {"category", line.category}, {"check", line.what}, {"result", NameOf(line.outcome)}};
    if (!line.detail.empty()) check["detail"] = line.detail;
    if (!line.hint.empty()) check["hint"] = line.hint;
    checks.push_back(std::move(check));
  }
  return {{"checks", std::move(checks)},
          {"failed", Count(Outcome::kBad)},
          {"warnings", Count(Outcome::kWarning)}};
}

CheckList::Marks MarksOfOutput() {
  if (isatty(STDOUT_FILENO) == 0) return CheckList::Marks::kAscii;
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(name);
    if (value == nullptr || *value == '\0') continue;
    const std::string locale = absl::AsciiStrToLower(value);
    const bool utf8 = absl::StrContains(locale, "utf-8") || absl::StrContains(locale, "utf8");
    return utf8 ? CheckList::Marks::kUnicode : CheckList::Marks::kAscii;
  }
  return CheckList::Marks::kAscii;
}

}  // namespace kith::ctl
