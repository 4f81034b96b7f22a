// The first line is a request ("h" or "t", port, peer or "-", method, path), the rest a policy's
// spec in YAML: whatever is read as a policy is refused, or decided as the oracle decides it.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "source/base/spiffe_id.h"
#include "source/config/document.h"
#include "source/policy/policy_set.h"
#include "test/policy/oracle.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kith;
  const absl::string_view input(reinterpret_cast<const char*>(data), size);
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(input, absl::MaxSplits('\n', 1));
  const std::vector<std::string> words = absl::StrSplit(parts.first, absl::MaxSplits(' ', 4));
  int port;
  if (words.size() != 5 || !absl::SimpleAtoi(words[1], &port) || port < 0 || port > 65535) return 0;

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
  // The oracle reads targetRefs only of the newer spelling.
  if (!compiled.ok() || spec->has_target_ref()) return 0;

  const auto peer = base::SpiffeId::Parse(words[2]);
  policy::Request request;
  request.kind = words[0] == "h" ? policy::Request::Kind::kHttp : policy::Request::Kind::kTcp;
  request.peer = peer.ok() ? &*peer : nullptr;
  request.destination_port = static_cast<uint16_t>(port);
  request.method = words[3];
  request.path = words[4];
  const policy::OracleRequest asked{
      words[0] == "h", peer.ok() ? peer->text() : "", port, words[3], words[4], true};
  const auto answer = policy::Ask({policy}, {options.trust_domain, "old.td"}, asked);
  if ((*compiled)->Decide(request).allowed != answer.allowed) std::abort();
  return 0;
}
