#include "source/ctl/path_folding.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "source/policy/pattern.h"

namespace kith::ctl {
namespace {

constexpr absl::string_view kAny = "{*}";
constexpr size_t kDigest = 16;
constexpr size_t kToken = 20;

// Whether a pattern can hold the byte as itself, wherever it stands.
bool IsSayable(char c) { return c > 0x20 && c < 0x7f && c != '*' && c != '{' && c != '}'; }

// The longest beginning of `path` that can be said, and "*".
std::string PrefixOf(absl::string_view path) {
  const auto end = std::find_if_not(path.begin(), path.end(), IsSayable);
  return absl::StrCat(path.substr(0, static_cast<size_t>(end - path.begin())), "*");
}

bool Says(const std::string& pattern, absl::string_view path) {
  if (!std::all_of(path.begin(), path.end(), IsSayable)) return false;
  if (!policy::Pattern::IsTemplate(pattern)) return pattern == path;
  const auto made = policy::Pattern::Template(pattern, policy::Pattern::TemplateBytes::kListed);
  return made.ok() && made->Matches(path);
}

}  // namespace

bool PathFolding::IsId(absl::string_view segment) {
  if (segment.empty()) return false;
  const auto all = [&](auto test) { return std::all_of(segment.begin(), segment.end(), test); };
  const bool digits = std::any_of(segment.begin(), segment.end(),
                                  [](unsigned char c) { return absl::ascii_isdigit(c); });
  if (all([](unsigned char c) { return absl::ascii_isdigit(c); })) return true;
  if (!digits) return false;
  if (segment.size() >= kDigest &&
      all([](unsigned char c) { return absl::ascii_isxdigit(c) || c == '-'; })) {
    return true;
  }
  return segment.size() >= kToken &&
         all([](unsigned char c) { return absl::ascii_isalnum(c) || c == '-' || c == '_'; });
}

void PathFolding::Add(absl::string_view path) {
  Place* place = &root_;
  for (const absl::string_view segment : absl::StrSplit(path, '/')) {
    std::unique_ptr<Place>& next = place->next[std::string(IsId(segment) ? kAny : segment)];
    if (next == nullptr) next = std::make_unique<Place>();
    place = next.get();
  }
}

void PathFolding::Merge(Place& from, Place& into) {
  for (auto& [segment, place] : from.next) {
    std::unique_ptr<Place>& there = into.next[segment];
    if (there == nullptr) {
      there = std::move(place);
    } else {
      Merge(*place, *there);
    }
  }
}

void PathFolding::Fold(Place& place) {
  // What is empty stands for itself: the end of "/a/".
  const size_t empty = place.next.count("");
  if (place.next.size() - empty > most_) {
    auto any = std::make_unique<Place>();
    std::unique_ptr<Place> end;
    for (auto& [segment, next] : place.next) {
      if (segment.empty()) {
        end = std::move(next);
      } else {
        Merge(*next, *any);
      }
    }
    place.next.clear();
    place.next[std::string(kAny)] = std::move(any);
    if (end != nullptr) place.next[""] = std::move(end);
  }
  for (auto& [segment, next] : place.next) Fold(*next);
}

void PathFolding::Fold() { Fold(root_); }

std::string PathFolding::Pattern(absl::string_view path) const {
  const Place* place = &root_;
  std::vector<absl::string_view> parts;
  for (const absl::string_view segment : absl::StrSplit(path, '/')) {
    auto next = place->next.find(IsId(segment) ? kAny : segment);
    if (next == place->next.end()) next = place->next.find(kAny);
    if (next == place->next.end()) return PrefixOf(path);
    parts.push_back(next->first);
    place = next->second.get();
  }
  std::string pattern = absl::StrJoin(parts, "/");
  return Says(pattern, path) ? pattern : PrefixOf(path);
}

}  // namespace kith::ctl
