#include "source/kubernetes/kubeconfig.h"

#include <cstdlib>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "source/base/status.h"
#include "source/config/document.h"
#include "source/inject/manifest.h"

namespace kith::kubernetes {
namespace {

using inject::Json;

absl::Status Wrong(absl::string_view where, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(where, ": ", what));
}

// The entry of that name in a list of {name, <kind>}.
absl::StatusOr<Json> Entry(const Json& config, const char* list, const char* kind,
                           const std::string& name) {
  const Json* entries = inject::Find(config, list);
  for (size_t i = 0; entries != nullptr && entries->is_array() && i < entries->size(); ++i) {
    const Json& entry = (*entries)[i];
    const Json* content = inject::Find(entry, kind);
    if (inject::Text(entry, "name") == name && content != nullptr) return *content;
  }
  return Wrong(list, absl::StrCat("there is no \"", name, "\""));
}

// KEY-data in base64, or the content of the file that KEY names, which may be relative to `folder`.
absl::StatusOr<std::string> Material(const Json& entry, const std::string& key,
                                     const std::string& folder) {
  const std::string data = inject::Text(entry, (key + "-data").c_str());
  std::string text;
  if (!data.empty()) {
    if (!absl::Base64Unescape(data, &text)) return Wrong(key + "-data", "is no base64");
    return text;
  }
  std::string file = inject::Text(entry, key.c_str());
  if (file.empty()) return text;
  if (!absl::StartsWith(file, "/")) file = absl::StrCat(folder, file);
  absl::StatusOr<std::string> read = config::ReadFile(file);
  if (!read.ok()) return Wrong(key, read.status().message());
  return read;
}

absl::Status TakeCluster(const Json& cluster, const std::string& folder,
                         ApiClient::Options& options) {
  if (const Json* skip = inject::Find(cluster, "insecure-skip-tls-verify");
      skip != nullptr && *skip == true) {
    return Wrong("insecure-skip-tls-verify",
                 "is not supported: whoever answers would be believed; give the cluster's "
                 "certificate-authority");
  }
  if (inject::Find(cluster, "proxy-url") != nullptr) return Wrong("proxy-url", "is not supported");
  KITH_RETURN_IF_ERROR(SetServer(inject::Text(cluster, "server"), options));
  options.server_name = inject::Text(cluster, "tls-server-name");
  KITH_ASSIGN_OR_RETURN(options.ca_pem, Material(cluster, "certificate-authority", folder));
  return absl::OkStatus();
}

absl::Status TakeUser(const Json& user, const std::string& folder, ApiClient::Options& options) {
  for (const char* key : {"exec", "auth-provider", "username"}) {
    if (inject::Find(user, key) == nullptr) continue;
    return Wrong(key,
                 "is not supported; use a context with a token or a client certificate, or "
                 "--server and --token-file (kubectl create token makes one)");
  }
  options.token = inject::Text(user, "token");
  options.token_file = inject::Text(user, "tokenFile");
  KITH_ASSIGN_OR_RETURN(options.chain_pem, Material(user, "client-certificate", folder));
  KITH_ASSIGN_OR_RETURN(options.key_pem, Material(user, "client-key", folder));
  return absl::OkStatus();
}

absl::StatusOr<ApiClient::Options> FromConfig(const Json& config, const std::string& folder,
                                              std::string context) {
  if (context.empty()) context = inject::Text(config, "current-context");
  if (context.empty()) return Wrong("current-context", "is not set; name one with --context");
  KITH_ASSIGN_OR_RETURN(const Json chosen, Entry(config, "contexts", "context", context));
  const std::string cluster_name = inject::Text(chosen, "cluster");
  const std::string user_name = inject::Text(chosen, "user");
  KITH_ASSIGN_OR_RETURN(const Json cluster, Entry(config, "clusters", "cluster", cluster_name));
  KITH_ASSIGN_OR_RETURN(const Json user, Entry(config, "users", "user", user_name));
  ApiClient::Options options;
  options.ca_file.clear();
  options.token_file.clear();
  options.user_agent = "kithctl";
  if (const absl::Status taken = TakeCluster(cluster, folder, options); !taken.ok()) {
    return base::Annotate(taken, absl::StrCat("cluster ", cluster_name));
  }
  if (const absl::Status taken = TakeUser(user, folder, options); !taken.ok()) {
    return base::Annotate(taken, absl::StrCat("user ", user_name));
  }
  return options;
}

}  // namespace

std::string DefaultKubeconfig() {
  if (const char* named = std::getenv("KUBECONFIG"); named != nullptr && *named != '\0') {
    const std::vector<std::string> files = absl::StrSplit(named, ':');
    return files.front();
  }
  const char* home = std::getenv("HOME");
  return absl::StrCat(home == nullptr ? "" : home, "/.kube/config");
}

absl::Status SetServer(const std::string& url, ApiClient::Options& options) {
  absl::string_view rest = url;
  if (!absl::ConsumePrefix(&rest, "https://")) {
    return Wrong("server", absl::StrCat("\"", url, "\" must be https://HOST[:PORT]"));
  }
  absl::ConsumeSuffix(&rest, "/");
  if (absl::StrContains(rest, '/') || absl::StrContains(rest, '@')) {
    return Wrong("server", absl::StrCat("\"", url, "\": a path or a user is not supported"));
  }
  absl::string_view port;
  if (const size_t bracket = rest.find(']');
      absl::StartsWith(rest, "[") && bracket != absl::string_view::npos) {
    options.host = std::string(rest.substr(1, bracket - 1));
    port = rest.substr(bracket + 1);
  } else {
    const size_t colon = rest.find(':');
    options.host = std::string(rest.substr(0, colon));
    port = colon == absl::string_view::npos ? "" : rest.substr(colon);
  }
  uint32_t number = 443;
  if (options.host.empty() ||
      (!port.empty() && (!absl::ConsumePrefix(&port, ":") || !absl::SimpleAtoi(port, &number) ||
                         number == 0 || number > 65535))) {
    return Wrong("server", absl::StrCat("\"", url, "\" must be https://HOST[:PORT]"));
  }
  options.port = static_cast<uint16_t>(number);
  return absl::OkStatus();
}

absl::StatusOr<ApiClient::Options> ReadKubeconfig(const std::string& file,
                                                  const std::string& context) {
  KITH_ASSIGN_OR_RETURN(const std::string text, config::ReadFile(file));
  KITH_ASSIGN_OR_RETURN(std::vector<inject::ManifestPart> parts, inject::ParseManifest(text, file));
  if (parts.size() > 1) return Wrong(file, "must be one document");
  const size_t slash = file.rfind('/');
  const std::string folder = slash == std::string::npos ? "" : file.substr(0, slash + 1);
  absl::StatusOr<ApiClient::Options> options = FromConfig(parts[0].object, folder, context);
  if (!options.ok()) return base::Annotate(options.status(), file);
  return options;
}

}  // namespace kith::kubernetes
