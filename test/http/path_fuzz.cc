// Whatever the path: normalizing twice changes nothing more, and no separator or dot segment is
// left that the mode promises to remove.
#include <string>

#include "absl/strings/match.h"
#include "source/base/check.h"
#include "source/http/path.h"
#include "test/support/fuzz_driver.h"

namespace kith::http {
namespace {

void CheckMode(PathMode mode, absl::string_view target) {
  std::string out;
  const PathOutcome outcome = NormalizePath(mode, target, out);
  if (IsRefused(outcome) || target == "*") return;
  const std::string normal = outcome == PathOutcome::kChanged ? out : std::string(target);
  KITH_CHECK(outcome != PathOutcome::kChanged || normal != target, "a change changes something");
  KITH_CHECK(!normal.empty() && normal[0] == '/', "a normal path begins with a slash");
  KITH_CHECK(normal.find('#') == std::string::npos, "no fragment is left");
  std::string again;
  KITH_CHECK(NormalizePath(mode, normal, again) == PathOutcome::kUnchanged, "a fixed point");

  const size_t raw_query = target.substr(0, target.find('#')).find('?');
  const size_t query = normal.find('?');
  KITH_CHECK((raw_query == absl::string_view::npos) == (query == std::string::npos),
             "a query stays");
  if (query != std::string::npos) {
    const absl::string_view whole = target.substr(0, target.find('#'));
    KITH_CHECK(whole.substr(raw_query) == absl::string_view(normal).substr(query), "byte for byte");
  }
  if (mode == PathMode::kNone) return;
  const std::string path = normal.substr(0, query) + "/";
  KITH_CHECK(!absl::StrContains(path, "/../"), "no dot segment is left");
  KITH_CHECK(!absl::StrContains(path, "/./"), "no dot segment is left");
  KITH_CHECK(!absl::StrContains(path, "\\"), "no backslash is left");
  KITH_CHECK(!absl::StrContains(path, "%00"), "no null byte is let through");
  if (mode == PathMode::kBase) return;
  KITH_CHECK(!absl::StrContains(normal.substr(0, query), "//"), "slashes are merged");
  if (mode == PathMode::kMergeSlashes) return;
  for (absl::string_view escape : {"%2f", "%2F", "%5c", "%5C"}) {
    KITH_CHECK(!absl::StrContains(path, escape), "separators are decoded");
  }
}

}  // namespace
}  // namespace kith::http

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kith::http;
  const absl::string_view target(reinterpret_cast<const char*>(data), size);
  for (const PathMode mode : {PathMode::kNone, PathMode::kBase, PathMode::kMergeSlashes,
                              PathMode::kDecodeAndMergeSlashes}) {
    CheckMode(mode, target);
  }
  (void)FindAmbiguity(target);
  return 0;
}
