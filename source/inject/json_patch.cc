#include "source/inject/json_patch.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace kith::inject {
namespace {

std::string Child(const std::string& path, absl::string_view key) {
  return absl::StrCat(path, "/", absl::StrReplaceAll(key, {{"~", "~0"}, {"/", "~1"}}));
}

// Elements of Kubernetes' lists that go by name are the same one while the name is.
bool IsSame(const Json& one, const Json& other) {
  const std::string name = Text(one, "name");
  return one == other || (!name.empty() && name == Text(other, "name"));
}

class Differ {
 public:
  explicit Differ(Json& patch) : patch_(patch) {}

  void Compare(const std::string& path, const Json& before, const Json& after) {
    if (before == after) return;
    if (before.is_object() && after.is_object()) return CompareObjects(path, before, after);
    if (before.is_array() && after.is_array()) return CompareArrays(path, before, after);
    Add("replace", path, &after);
  }

 private:
  void Add(const char* operation, const std::string& path, const Json* value) {
    Json step = {{"op", operation}, {"path", path}};
    if (value != nullptr) step["value"] = *value;
    patch_.push_back(std::move(step));
  }

  void CompareObjects(const std::string& path, const Json& before, const Json& after) {
    for (const auto& [key, value] : before.items()) {
      const auto now = after.find(key);
      if (now == after.end()) {
        Add("remove", Child(path, key), nullptr);
      } else {
        Compare(Child(path, key), value, *now);
      }
    }
    for (const auto& [key, value] : after.items()) {
      if (!before.contains(key)) Add("add", Child(path, key), &value);
    }
  }

  // What both begin and end with stays; between them the old goes and the new comes.
  void CompareArrays(const std::string& path, const Json& before, const Json& after) {
    const size_t shorter = std::min(before.size(), after.size());
    size_t head = 0;
    while (head < shorter && IsSame(before[head], after[head])) ++head;
    size_t tail = 0;
    while (tail < shorter - head &&
           IsSame(before[before.size() - 1 - tail], after[after.size() - 1 - tail])) {
      ++tail;
    }
    for (size_t i = 0; i < head; ++i) Compare(absl::StrCat(path, "/", i), before[i], after[i]);
    for (size_t i = before.size() - tail; i > head; --i) {
      Add("remove", absl::StrCat(path, "/", i - 1), nullptr);
    }
    for (size_t i = head; i < after.size() - tail; ++i) {
      Add("add", absl::StrCat(path, "/", i), &after[i]);
    }
    for (size_t i = tail; i > 0; --i) {
      const size_t at = after.size() - i;
      Compare(absl::StrCat(path, "/", at), before[before.size() - i], after[at]);
    }
  }

  Json& patch_;
};

}  // namespace

Json MakePatch(const Json& before, const Json& after) {
  Json patch = Json::array();
  Differ(patch).Compare("", before, after);
  return patch;
}

}  // namespace kith::inject
