#include "source/extauthz/provider.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "kith/meshconfig/v1/mesh_config.pb.h"
#include "source/base/status.h"
#include "source/extauthz/verdict.h"
#include "source/http/characters.h"

namespace kith::extauthz {
namespace {

absl::Status Invalid(absl::string_view field, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", what));
}

template <typename Values>
std::vector<std::string> Strings(const Values& values) {
  return {values.begin(), values.end()};
}

constexpr int kMaxNames = 64;

// Names of headers, or patterns of them, that mean something.
absl::Status CheckNames(absl::string_view field, const std::vector<std::string>& names) {
  const std::string list = absl::StrCat("envoyExtAuthzHttp.", field);
  if (names.size() > kMaxNames) return Invalid(list, absl::StrCat("more than ", kMaxNames));
  for (size_t i = 0; i < names.size(); ++i) {
    absl::string_view name = names[i];
    if (!absl::ConsumeSuffix(&name, "*")) (void)absl::ConsumePrefix(&name, "*");
    const bool token = std::all_of(
        name.begin(), name.end(), [](char c) { return c != '*' && http::Is(http::kTokenChar, c); });
    if (names[i].empty() || !token) {
      return Invalid(absl::StrCat(list, "[", i, "]"),
                     "is no header's name, with a \"*\" at one end at most");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckAdditional(const std::vector<std::pair<std::string, std::string>>& headers) {
  constexpr absl::string_view kField = "envoyExtAuthzHttp.includeAdditionalHeadersInCheck";
  if (headers.size() > kMaxNames) return Invalid(kField, absl::StrCat("more than ", kMaxNames));
  for (const auto& [name, value] : headers) {
    if (!MayEdit(name) || !IsSoundValue(value)) {
      return Invalid(kField, absl::StrCat("\"", name, "\" is no header that can be added"));
    }
  }
  return absl::OkStatus();
}

absl::Status TakeBody(const meshconfig::v1::EnvoyExternalAuthorizationRequestBody& from,
                      Provider::Body& body) {
  constexpr absl::string_view kField = "includeRequestBodyInCheck.maxRequestBytes";
  if (from.max_request_bytes() < 1 || from.max_request_bytes() > Provider::Body::kMaxBytes) {
    return Invalid(kField, absl::StrCat("must be 1 to ", Provider::Body::kMaxBytes));
  }
  body.max_bytes = from.max_request_bytes();
  body.partial = from.allow_partial_message();
  body.as_bytes = from.pack_as_bytes();
  return absl::OkStatus();
}

// What both kinds have.
template <typename Message>
absl::Status TakeCommon(const Message& from, Provider& provider) {
  const size_t slash = from.service().find('/');
  provider.service = slash == std::string::npos ? from.service() : from.service().substr(slash + 1);
  if (provider.service.empty()) return Invalid("service", "is required");
  if (from.port() < 1 || from.port() > 65535) return Invalid("port", "must be 1 to 65535");
  provider.port = static_cast<uint16_t>(from.port());
  if (from.has_timeout()) {
    provider.timeout =
        absl::Seconds(from.timeout().seconds()) + absl::Nanoseconds(from.timeout().nanos());
    if (provider.timeout <= absl::ZeroDuration() || provider.timeout > absl::Hours(1)) {
      return Invalid("timeout", "must be more than 0 and at most 1 h");
    }
  }
  if (from.has_include_request_body_in_check()) {
    KITH_RETURN_IF_ERROR(TakeBody(from.include_request_body_in_check(), provider.body));
  }
  provider.fail_open = from.fail_open();
  if (!from.status_on_error().empty() &&
      (!absl::SimpleAtoi(from.status_on_error(), &provider.status_on_error) ||
       provider.status_on_error < 400 || provider.status_on_error > 599)) {
    return Invalid("statusOnError", "must be \"400\" to \"599\"");
  }
  return absl::OkStatus();
}

}  // namespace

std::string Provider::where() const { return absl::StrCat(service, ":", port); }

absl::StatusOr<Provider> Provider::From(const meshconfig::v1::ExtensionProvider& from) {
  using meshconfig::v1::ExtensionProvider;
  Provider provider;
  provider.name = from.name();
  if (provider.name.empty()) return Invalid("name", "is required");
  switch (from.provider_case()) {
    case ExtensionProvider::kEnvoyExtAuthzGrpc:
      KITH_RETURN_IF_ERROR(
          base::Annotate(TakeCommon(from.envoy_ext_authz_grpc(), provider), "envoyExtAuthzGrpc"));
      return provider;
    case ExtensionProvider::kEnvoyExtAuthzHttp:
      break;
    default:
      return Invalid("envoyExtAuthzGrpc", "it or envoyExtAuthzHttp is required");
  }
  const auto& http = from.envoy_ext_authz_http();
  provider.protocol = Protocol::kHttp;
  KITH_RETURN_IF_ERROR(base::Annotate(TakeCommon(http, provider), "envoyExtAuthzHttp"));
  if (provider.body.as_bytes) {
    return Invalid("envoyExtAuthzHttp.includeRequestBodyInCheck.packAsBytes",
                   "means something to gRPC authorizers only");
  }
  if (!http.path_prefix().empty() && !absl::StartsWith(http.path_prefix(), "/")) {
    return Invalid("envoyExtAuthzHttp.pathPrefix", "must begin with \"/\"");
  }
  provider.path_prefix = http.path_prefix();
  provider.request_headers = Strings(http.include_request_headers_in_check());
  for (const auto& [name, value] : http.include_additional_headers_in_check()) {
    provider.additional_headers.emplace_back(name, value);
  }
  std::sort(provider.additional_headers.begin(), provider.additional_headers.end());
  provider.upstream_on_allow = Strings(http.headers_to_upstream_on_allow());
  provider.downstream_on_deny = Strings(http.headers_to_downstream_on_deny());
  provider.downstream_on_allow = Strings(http.headers_to_downstream_on_allow());
  KITH_RETURN_IF_ERROR(CheckNames("includeRequestHeadersInCheck", provider.request_headers));
  KITH_RETURN_IF_ERROR(CheckNames("headersToUpstreamOnAllow", provider.upstream_on_allow));
  KITH_RETURN_IF_ERROR(CheckNames("headersToDownstreamOnDeny", provider.downstream_on_deny));
  KITH_RETURN_IF_ERROR(CheckNames("headersToDownstreamOnAllow", provider.downstream_on_allow));
  KITH_RETURN_IF_ERROR(CheckAdditional(provider.additional_headers));
  return provider;
}

}  // namespace kith::extauthz
