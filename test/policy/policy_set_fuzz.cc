// The first line is a request in JSON, the rest a policy's spec in YAML: whatever is read as a
// policy is refused with a named field, or decided as the oracle decides it.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "nlohmann/json.hpp"
#include "source/base/socket_address.h"
#include "source/base/spiffe_id.h"
#include "source/config/document.h"
#include "source/policy/policy_set.h"
#include "test/policy/generator.h"

namespace {

using nlohmann::json;

std::string Text(const json& from, const char* key) {
  return from.contains(key) && from[key].is_string() ? from[key].get<std::string>() : "";
}

// False when it is no request that both sides can be asked.
bool Read(const json& from, kith::policy::OracleRequest& request) {
  if (!from.is_object()) return false;
  request.http = from.contains("http");
  request.spiffe_id = Text(from, "peer");
  const auto peer = kith::base::SpiffeId::Parse(request.spiffe_id);
  if (!peer.ok() && !request.spiffe_id.empty()) return false;
  if (peer.ok()) request.spiffe_id = peer->text();
  request.source_ip = Text(from, "ip");
  const auto address = kith::base::SocketAddress::Parse(request.source_ip + ":1");
  if (!request.source_ip.empty() && (!address.ok() || address->family() != AF_INET)) return false;
  if (from.contains("port") && from["port"].is_number_unsigned()) {
    request.port = static_cast<int>(from["port"].get<uint64_t>() % 65536);
  }
  request.sni = Text(from, "sni");
  request.method = Text(from, "method");
  if (request.method.empty()) request.method = "GET";
  request.host = Text(from, "host");
  request.path = Text(from, "path");
  request.has_path = !request.path.empty();
  if (from.contains("headers") && from["headers"].is_object()) {
    for (const auto& [name, value] : from["headers"].items()) {
      if (value.is_string()) request.headers.emplace_back(name, value.get<std::string>());
    }
  }
  request.has_claims = from.contains("claims") && from["claims"].is_object();
  if (request.has_claims) request.claims = from["claims"];
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kith;
  // The oracle tries globs and templates in every way there is.
  if (size > 2'000 || std::count(data, data + size, '*') > 16) return 0;
  const absl::string_view input(reinterpret_cast<const char*>(data), size);
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(input, absl::MaxSplits('\n', 1));
  const auto spec =
      config::ParseSingle<security::v1::AuthorizationPolicySpec>(parts.second, "input");
  if (!spec.ok()) return 0;
  security::v1::AuthorizationPolicy policy;
  policy.mutable_metadata()->set_namespace_("demo");
  policy.mutable_metadata()->set_name("p");
  *policy.mutable_spec() = *spec;
  policy::PolicySet::Options options;
  options.trust_domain_aliases = {"old.td"};
  const auto compiled = policy::PolicySet::Compile({policy}, options);
  if (!compiled.ok()) {
    if (compiled.status().message().find("demo/p: spec") != 0) std::abort();
    return 0;
  }
  // The oracle reads targetRefs only of the newer spelling.
  if (spec->has_target_ref()) return 0;
  policy::OracleRequest request;
  const json asked = json::parse(parts.first.begin(), parts.first.end(), nullptr, false);
  if (asked.is_discarded() || !Read(asked, request)) return 0;
  policy::OracleAnswer answer;
  if (!Disagreement(**compiled, {policy}, options, request, answer).empty()) std::abort();
  return 0;
}
