#include "source/http/url.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "source/http/characters.h"

namespace kith::http {

absl::StatusOr<Url> ParseUrl(absl::string_view text) {
  Url url;
  const size_t colon = text.find("://");
  if (colon == absl::string_view::npos) return absl::InvalidArgumentError("is no URL");
  url.scheme = absl::AsciiStrToLower(text.substr(0, colon));
  if (url.scheme != "https" && url.scheme != "http") {
    return absl::InvalidArgumentError("must begin with http:// or https://");
  }
  url.port = url.scheme == "https" ? 443 : 80;
  text.remove_prefix(colon + 3);
  const size_t end = text.find_first_of("/?#");
  absl::string_view authority = text.substr(0, end);
  absl::string_view target =
      end == absl::string_view::npos ? absl::string_view() : text.substr(end);
  target = target.substr(0, target.find('#'));
  url.target = absl::StartsWith(target, "/") ? std::string(target) : absl::StrCat("/", target);
  if (absl::StrContains(authority, '@')) {
    return absl::InvalidArgumentError("must not name a user");
  }
  size_t port = authority.rfind(':');
  if (absl::StartsWith(authority, "[")) {
    const size_t close = authority.find(']');
    if (close == absl::string_view::npos) return absl::InvalidArgumentError("has no host");
    url.host = std::string(authority.substr(1, close - 1));
    if (port < close) port = absl::string_view::npos;
  } else {
    url.host = absl::AsciiStrToLower(authority.substr(0, port));
  }
  uint32_t number = url.port;
  if (port != absl::string_view::npos &&
      (!absl::SimpleAtoi(authority.substr(port + 1), &number) || number < 1 || number > 65535)) {
    return absl::InvalidArgumentError("its port is not 1 to 65535");
  }
  url.port = static_cast<uint16_t>(number);
  const bool clean =
      std::all_of(url.target.begin(), url.target.end(), [](char c) { return Is(kTargetChar, c); });
  if (url.host.empty() || !clean) return absl::InvalidArgumentError("has no sound host and path");
  return url;
}

}  // namespace kith::http
