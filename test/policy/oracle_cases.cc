// Prints random policies and requests that can be sent through real sidecars, each with the
// oracle's answer, as JSON:
//   oracle_cases SEED SETS REQUESTS HTTP_PORT TCP_PORT HTTP_SNI TCP_SNI CLIENT...
// A CLIENT is a SPIFFE ID, or "-" for one that comes in plaintext. The workload is of the namespace
// "a" and listens at 127.0.0.1.
#include <google/protobuf/util/json_util.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "test/policy/generator.h"

namespace kith::policy {
namespace {

using nlohmann::json;
using security::v1::AuthorizationPolicy;
using security::v1::AuthorizationPolicySpec;

struct Arguments {
  std::string http_port, tcp_port, http_sni, tcp_sni;
  std::vector<std::string> clients;
};

// The ports of the generator become those that there are.
std::string WithPorts(const std::string& text, const Arguments& arguments) {
  return absl::StrReplaceAll(text, {{"\"8080\"", "\"" + arguments.http_port + "\""},
                                    {"\"80\"", "\"" + arguments.tcp_port + "\""}});
}

// The policies as documents, and as the oracle reads them; false for what cannot be written down.
bool Write(const std::string& prefix, const Arguments& arguments,
           std::vector<AuthorizationPolicy>& policies, json& documents) {
  for (AuthorizationPolicy& policy : policies) {
    policy.mutable_metadata()->set_namespace_("a");
    policy.mutable_metadata()->set_name(prefix + policy.metadata().name());
    std::string text;
    if (policy.spec().action() == AuthorizationPolicySpec::CUSTOM ||
        !google::protobuf::util::MessageToJsonString(policy, &text).ok() || !json::accept(text) ||
        absl::StrContains(text, "certificate.serial")) {
      return false;
    }
    text = WithPorts(text, arguments);
    json document = json::parse(text);
    document["apiVersion"] = "security.istio.io/v1";
    document["kind"] = "AuthorizationPolicy";
    documents.push_back(std::move(document));
    policy.Clear();
    if (!google::protobuf::util::JsonStringToMessage(text, &policy).ok()) return false;
  }
  return !policies.empty();
}

// Whether it arrives as it was sent: nothing of it is normalized, refused or unspeakable.
bool CanBeSent(const OracleRequest& request) {
  if (!request.http) return true;
  const std::string& path = request.path;
  if (!request.has_path || request.host.empty() || request.method == "get") return false;
  if (absl::StrContains(path, "//") || absl::StrContains(path, "/.") ||
      path.find_first_of("\xff ") != std::string::npos) {
    return false;
  }
  for (const auto& [name, value] : request.headers) {
    if (absl::StrContains(value, '\xff')) return false;
  }
  return true;
}

OracleRequest Next(Generator& generator, const Arguments& arguments, size_t& client) {
  OracleRequest request = generator.Request();
  while (!CanBeSent(request)) request = generator.Request();
  request.spiffe_id = arguments.clients[client] == "-" ? "" : arguments.clients[client];
  request.source_ip = request.destination_ip = "127.0.0.1";
  request.remote_ip.clear();
  request.port = std::atoi((request.http ? arguments.http_port : arguments.tcp_port).c_str());
  request.sni = request.spiffe_id.empty() ? ""
                : request.http            ? arguments.http_sni
                                          : arguments.tcp_sni;
  request.has_claims = false;
  request.certificate.clear();
  return request;
}

int Run(uint64_t seed, int sets, int requests, const Arguments& arguments) {
  Generator generator(seed);
  json out = json::array();
  while (static_cast<int>(out.size()) < sets) {
    std::vector<AuthorizationPolicy> policies = generator.Policies();
    json set = {{"policies", json::array()}, {"requests", json::array()}};
    const std::string prefix = "set" + std::to_string(out.size()) + "-";
    if (!Write(prefix, arguments, policies, set["policies"])) continue;
    int allowed = 0;
    for (int i = 0; i < requests; ++i) {
      size_t client = static_cast<size_t>(i) % arguments.clients.size();
      const OracleRequest request = Next(generator, arguments, client);
      const bool answer = Ask(policies, {{"cluster.local"}}, request).allowed;
      allowed += answer;
      set["requests"].push_back({{"client", client},
                                 {"http", request.http},
                                 {"method", request.method},
                                 {"host", request.host},
                                 {"path", request.path},
                                 {"headers", request.headers},
                                 {"allowed", answer}});
    }
    // A set that says the same of everything shows little; a few do.
    if ((allowed == 0 || allowed == requests) && out.size() % 4 != 0) continue;
    out.push_back(std::move(set));
  }
  std::printf("%s\n", out.dump().c_str());
  return EXIT_SUCCESS;
}

}  // namespace
}  // namespace kith::policy

int main(int argc, char** argv) {
  if (argc < 9) {
    std::fprintf(stderr,
                 "usage: oracle_cases SEED SETS REQUESTS HTTP_PORT TCP_PORT HTTP_SNI TCP_SNI "
                 "CLIENT...\n");
    return 64;
  }
  return kith::policy::Run(static_cast<uint64_t>(std::atoll(argv[1])), std::atoi(argv[2]),
                           std::atoi(argv[3]),
                           {.http_port = argv[4],
                            .tcp_port = argv[5],
                            .http_sni = argv[6],
                            .tcp_sni = argv[7],
                            .clients = {argv + 8, argv + argc}});
}
