#include "test/telemetry/text_file.h"

#include <fstream>
#include <sstream>

namespace kith::test {

std::string ReadText(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

std::vector<std::string> AllBetween(absl::string_view text, absl::string_view before,
                                    absl::string_view after) {
  std::vector<std::string> found;
  for (size_t at = text.find(before); at != absl::string_view::npos; at = text.find(before, at)) {
    at += before.size();
    const size_t end = text.find(after, at);
    if (end == absl::string_view::npos) break;
    found.emplace_back(text.substr(at, end - at));
  }
  return found;
}

}  // namespace kith::test
