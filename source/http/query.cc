#include "source/http/query.h"

#include "source/http/characters.h"

namespace kith::http {
namespace {

bool Decode(absl::string_view text, std::string& out) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      out.push_back(' ');
    } else if (text[i] != '%') {
      out.push_back(text[i]);
    } else {
      if (i + 2 >= text.size()) return false;
      const int high = HexValue(text[i + 1]), low = HexValue(text[i + 2]);
      if (high < 0 || low < 0) return false;
      out.push_back(static_cast<char>(high * 16 + low));
      i += 2;
    }
  }
  return true;
}

}  // namespace

bool DecodeQuery(absl::string_view query, QueryParameters& parameters) {
  while (!query.empty()) {
    const size_t end = query.find('&');
    const absl::string_view pair = query.substr(0, end);
    query = end == absl::string_view::npos ? absl::string_view() : query.substr(end + 1);
    if (pair.empty()) continue;
    const size_t equals = pair.find('=');
    auto& [name, value] = parameters.emplace_back();
    if (!Decode(pair.substr(0, equals), name)) return false;
    if (equals != absl::string_view::npos && !Decode(pair.substr(equals + 1), value)) return false;
  }
  return true;
}

}  // namespace kith::http
