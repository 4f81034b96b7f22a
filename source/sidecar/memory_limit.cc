#include "source/sidecar/memory_limit.h"

#include <algorithm>
#include <fstream>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace kith::sidecar {
namespace {

// Version 1 writes the largest number of whole pages where there is no limit.
constexpr uint64_t kNoLimit = uint64_t{1} << 60;

struct Hierarchy {
  std::string mount;
  std::string path;  // Of the process's own group.
  std::string file;
};

// One line of /proc/self/cgroup is "number:controllers:path" (cgroups(7)).
absl::optional<Hierarchy> HierarchyOf(const std::string& line) {
  const std::vector<std::string> parts = absl::StrSplit(line, absl::MaxSplits(':', 2));
  if (parts.size() != 3) return absl::nullopt;
  // Seen from a namespace that does not hold it, a group's path begins with "/..".
  const std::string path = absl::StrContains(parts[2], "..") ? "/" : parts[2];
  if (parts[0] == "0" && parts[1].empty()) {
    return Hierarchy{"/sys/fs/cgroup", path, "memory.max"};
  }
  const std::vector<std::string> controllers = absl::StrSplit(parts[1], ',');
  if (absl::c_linear_search(controllers, "memory")) {
    return Hierarchy{"/sys/fs/cgroup/memory", path, "memory.limit_in_bytes"};
  }
  return absl::nullopt;
}

uint64_t LimitIn(const std::string& file) {
  std::ifstream in(file);
  std::string text;
  uint64_t limit = 0;
  // Without a limit version 2 says "max".
  if (!(in >> text) || !absl::SimpleAtoi(text, &limit) || limit == 0) return kNoLimit;
  return limit;
}

}  // namespace

absl::optional<uint64_t> ControlGroupMemoryLimit(const std::string& root) {
  std::ifstream groups(root + "/proc/self/cgroup");
  uint64_t least = kNoLimit;
  for (std::string line; std::getline(groups, line);) {
    const absl::optional<Hierarchy> hierarchy = HierarchyOf(line);
    if (!hierarchy) continue;
    // A container sees its own group at the mount, whatever its path says.
    std::string path = hierarchy->path == "/" ? "" : hierarchy->path;
    for (;;) {
      least = std::min(least,
                       LimitIn(absl::StrCat(root, hierarchy->mount, path, "/", hierarchy->file)));
      if (path.empty()) break;
      path.erase(path.rfind('/'));
    }
  }
  if (least >= kNoLimit) return absl::nullopt;
  return least;
}

}  // namespace kith::sidecar
