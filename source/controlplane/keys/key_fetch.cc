#include "source/controlplane/keys/key_fetch.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "source/base/status.h"
#include "source/config/document.h"
#include "source/controlplane/keys/https_get.h"
#include "source/http/url.h"
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
  KITH_ASSIGN_OR_RETURN(const http::Url url, http::ParseUrl(text));
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

absl::StatusOr<std::string> KeyFetch::Get(const std::string& url, absl::Duration timeout) const {
  auto text = Fetch(*this, url, timeout);
  if (!text.ok()) return base::Annotate(text.status(), absl::StrCat("fetch ", url));
  return text;
}

}  // namespace kith::controlplane
