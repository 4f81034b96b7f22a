#include "source/controlplane/keys/key_fetch.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "source/base/status.h"
#include "source/config/document.h"
#include "source/controlplane/keys/https_get.h"
#include "source/http/characters.h"
#include "source/jwt/key_set.h"

namespace kith::controlplane {
namespace {

absl::StatusOr<std::string> ReadIn(const std::string& directory, absl::string_view path) {
  if (directory.empty()) {
    return absl::PermissionDeniedError("files are not read; set keyFetching.directory");
  }
  const std::string inside = absl::StrCat(directory, absl::EndsWith(directory, "/") ? "" : "/");
  if (!absl::StartsWith(path, inside) || absl::StrContains(path, "/../") ||
      absl::EndsWith(path, "/..")) {
    return absl::PermissionDeniedError(
        absl::StrCat("is not in ", directory, ", which keyFetching.directory names"));
  }
  config::Limits limits;
  limits.bytes = jwt::kMaxKeySetBytes;
  return config::ReadFile(std::string(path), limits);
}

absl::StatusOr<std::string> Fetch(const KeyFetch& fetch, const std::string& text,
                                  absl::Duration timeout) {
  constexpr absl::string_view kFile = "file://";
  if (absl::StartsWith(text, kFile)) return ReadIn(fetch.directory, text.substr(kFile.size()));
  KITH_ASSIGN_OR_RETURN(const Url url, ParseUrl(text));
  const bool trusted = std::find(fetch.trusted_hosts.begin(), fetch.trusted_hosts.end(),
                                 url.host) != fetch.trusted_hosts.end();
  if (url.scheme != "https" && !trusted) {
    return absl::PermissionDeniedError(
        "only https is asked; name the host in keyFetching.trustedHosts to allow http");
  }
  HttpsGet get;
  get.host = url.host;
  get.port = url.port;
  get.target = url.target;
  get.security = url.scheme == "https" ? HttpsGet::Security::kTls : HttpsGet::Security::kPlaintext;
  get.reach = trusted ? HttpsGet::Reach::kAnywhere : HttpsGet::Reach::kPublic;
  get.ca_file = fetch.ca_file;
  get.timeout = timeout;
  get.max_bytes = jwt::kMaxKeySetBytes;
  return get.Run();
}

}  // namespace

absl::StatusOr<Url> ParseUrl(absl::string_view text) {
  Url url;
  const size_t colon = text.find("://");
  if (colon == absl::string_view::npos) return absl::InvalidArgumentError("is no URL");
  url.scheme = absl::AsciiStrToLower(text.substr(0, colon));
  if (url.scheme != "https" && url.scheme != "http") {
    return absl::InvalidArgumentError("must begin with https://");
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
  const bool clean = std::all_of(url.target.begin(), url.target.end(),
                                 [](char c) { return http::Is(http::kTargetChar, c); });
  if (url.host.empty() || !clean) return absl::InvalidArgumentError("has no sound host and path");
  return url;
}

absl::StatusOr<std::string> KeyFetch::Get(const std::string& url, absl::Duration timeout) const {
  auto text = Fetch(*this, url, timeout);
  if (!text.ok()) return base::Annotate(text.status(), absl::StrCat("fetch ", url));
  return text;
}

}  // namespace kith::controlplane
