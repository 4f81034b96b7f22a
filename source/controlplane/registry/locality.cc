#include "source/controlplane/registry/locality.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"

namespace kith::controlplane {
namespace {

constexpr size_t kMaxLocality = 256;
constexpr size_t kMaxParts = 3;

}  // namespace

absl::Status CheckLocality(absl::string_view locality) {
  const std::vector<absl::string_view> parts = absl::StrSplit(locality, '/');
  bool sound = parts.size() <= kMaxParts && locality.size() <= kMaxLocality;
  for (const absl::string_view part : parts) sound = sound && !part.empty();
  if (sound) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("\"", locality.substr(0, kMaxLocality),
                   "\" is not \"region\", \"region/zone\" or \"region/zone/subzone\""));
}

std::string LocalityOf(const Labels& labels) {
  const auto find = [&labels](const char* key) {
    const auto found = labels.find(key);
    return found == labels.end() ? std::string() : found->second;
  };
  std::string locality = absl::StrReplaceAll(find("istio-locality"), {{".", "/"}});
  if (locality.empty()) {
    for (const char* key : {"topology.kubernetes.io/region", "topology.kubernetes.io/zone",
                            "topology.istio.io/subzone"}) {
      const std::string part = find(key);
      if (part.empty()) break;
      absl::StrAppend(&locality, locality.empty() ? "" : "/", part);
    }
  }
  return CheckLocality(locality).ok() ? locality : std::string();
}

}  // namespace kith::controlplane
