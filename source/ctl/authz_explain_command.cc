#include <iostream>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "nlohmann/json.hpp"
#include "source/base/ip.h"
#include "source/base/status.h"
#include "source/ctl/authz_case.h"
#include "source/ctl/authz_explain.h"
#include "source/ctl/authz_options.h"

namespace kith::ctl {
namespace {

using nlohmann::json;

constexpr char kFooter[] = R"(Examples:
  kithctl authz explain -f policies/ --namespace demo --label app=backend \
      --principal cluster.local/ns/demo/sa/frontend --method GET --path /items --port 8080
  kithctl authz explain --socket /run/kith/backend.sock --request-id 4f2a…
  kithctl authz explain -f policies/ --label app=backend --log-line '{"time":…}'
  tail -n100 access.log | kithctl authz explain -f policies/ --label app=backend --log-line -

With --socket the policies are the running sidecar's own, unless -f gives others to try on its
workload. --request-id needs observability.recentDecisions in the sidecar's configuration.
Exit codes: 0 allowed, 1 denied (or it cannot be said), 64 wrong usage, 65 bad input.
docs/authorization-tools.md shows what is printed.)";

struct Options {
  // The request.
  std::string principal, method, path, host, source_ip, remote_ip, destination_ip, sni, claims;
  std::vector<std::string> headers;
  uint16_t port = 0;
  std::string request_file, log_line, request_id;
  // Who decides.
  std::string name_space = "default", socket;
  std::vector<std::string> labels, policies;
  MeshOptions mesh;
};

absl::Status SetIp(const std::string& typed, absl::string_view flag,
                   absl::optional<base::SocketAddress>& out) {
  if (typed.empty()) return absl::OkStatus();
  auto address = base::ParseIp(typed);
  if (!address.ok()) return base::Annotate(address.status(), flag);
  out = *std::move(address);
  return absl::OkStatus();
}

absl::StatusOr<AuthzRequest> FromFlags(const Options& options) {
  AuthzRequest request;
  request.principal = options.principal;
  request.sni = options.sni;
  request.port = options.port;
  KITH_RETURN_IF_ERROR(SetIp(options.source_ip, "--source-ip", request.source));
  KITH_RETURN_IF_ERROR(SetIp(options.remote_ip, "--remote-ip", request.remote));
  KITH_RETURN_IF_ERROR(SetIp(options.destination_ip, "--destination-ip", request.destination));
  request.http = !options.method.empty() || !options.path.empty() || !options.host.empty() ||
                 !options.headers.empty() || !options.claims.empty();
  request.method = options.method;
  request.host = options.host;
  const bool connect = options.method == "CONNECT";
  if (!connect) request.path = options.path.empty() ? "/" : options.path;
  for (const std::string& header : options.headers) {
    const size_t colon = header.find(':', 1);
    if (colon == std::string::npos) {
      return absl::InvalidArgumentError(
          absl::StrCat("--header \"", header, "\": write \"NAME: VALUE\""));
    }
    request.headers.emplace_back(header.substr(0, colon),
                                 std::string(absl::StripAsciiWhitespace(header.substr(colon + 1))));
  }
  if (options.claims.empty()) return request;
  KITH_ASSIGN_OR_RETURN(const auto tree, config::ParseYaml(options.claims, "--claims", {}));
  if (tree->documents.size() != 1 || tree->documents[0]->kind != config::Node::Kind::kMap) {
    return absl::InvalidArgumentError(
        "--claims: write an object, {\"iss\": \"…\", \"sub\": \"…\"}");
  }
  request.claims = ClaimOf(*tree->documents[0]);
  return request;
}

absl::StatusOr<AuthzRequest> FromFile(const std::string& file) {
  const auto text = config::ReadFile(file);
  if (!text.ok()) return absl::InvalidArgumentError(text.status().message());
  KITH_ASSIGN_OR_RETURN(const auto tree, config::ParseYaml(*text, file, {}));
  if (tree->documents.size() != 1) {
    return absl::InvalidArgumentError(absl::StrCat(file, ": holds no request, or several"));
  }
  const config::Node& root = *tree->documents[0];
  const config::Node* const request = root.Find("request");
  return ReadRequest(file, request != nullptr ? *request : root);
}

class Explainer {
 public:
  Explainer(const Options& options, Output output) : options_(options), output_(output) {}

  absl::StatusOr<int> Run();

 private:
  absl::Status Load();
  absl::StatusOr<std::vector<std::string>> Lines() const;
  absl::Status ExplainLine(const std::string& text);
  void Print(const Verdict& verdict, const LogRecord* record);
  void PrintUnknown(const LogRecord& record, const std::vector<std::string>& missing);

  const Options& options_;
  const Output output_;
  AuthzContext policies_{AuthzContext::Others::kPassedOver};
  WorkloadSpec workload_;
  CaseContext context_;
  bool all_allowed_ = true;
};

absl::Status Explainer::Load() {
  KITH_ASSIGN_OR_RETURN(const WorkloadLabels labels, WorkloadLabels::Parse(options_.labels));
  KITH_ASSIGN_OR_RETURN(workload_, labels.Of(absl::StrCat(options_.name_space, "/"),
                                             WorkloadLabels::Labels::kNotNeeded));
  if (!options_.socket.empty()) {
    const AdminClient sidecar(options_.socket, "the sidecar");
    KITH_ASSIGN_OR_RETURN(json answer, sidecar.Get("/v1/policies"));
    if (!options_.policies.empty() && answer.is_object()) {
      answer["policies"] = json::array();
      answer.erase("mtls");
    }
    KITH_RETURN_IF_ERROR(policies_.ReadSidecar(
        answer.dump(-1, ' ', false, json::error_handler_t::replace), workload_));
  }
  KITH_RETURN_IF_ERROR(Apply(options_.mesh, policies_));
  KITH_ASSIGN_OR_RETURN(const auto documents, ReadDocuments(options_.policies));
  for (const config::Document& document : documents) KITH_RETURN_IF_ERROR(policies_.Add(document));
  KITH_ASSIGN_OR_RETURN(context_, policies_.For(workload_));
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> Explainer::Lines() const {
  std::vector<std::string> lines;
  if (options_.request_id.empty()) {
    if (options_.log_line != "-") return std::vector<std::string>{options_.log_line};
    for (std::string line; std::getline(std::cin, line);) {
      if (!absl::StripAsciiWhitespace(line).empty()) lines.push_back(line);
    }
    return lines;
  }
  const AdminClient sidecar(options_.socket, "the sidecar");
  std::string escaped;
  for (const char c : options_.request_id) {
    if (absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.') {
      escaped += c;
    } else {
      absl::StrAppend(&escaped, "%", absl::Hex(static_cast<uint8_t>(c), absl::kZeroPad2));
    }
  }
  KITH_ASSIGN_OR_RETURN(const json answer,
                        sidecar.Get(absl::StrCat("/v1/decisions?request_id=", escaped)));
  if (!answer.is_object() || !answer.contains("lines")) {
    return absl::InternalError("the sidecar's answer holds no lines");
  }
  for (const json& line : answer["lines"]) lines.push_back(line.dump());
  if (!lines.empty()) return lines;
  const auto kept = answer.find("kept");
  const bool keeps = kept != answer.end() && kept->is_number() && kept->get<double>() > 0;
  return absl::NotFoundError(absl::StrCat(
      "the sidecar remembers no request ", options_.request_id, "; ",
      keeps ? "it is too long ago, or went through another sidecar"
            : "it remembers none: set observability.recentDecisions in its configuration"));
}

void Explainer::Print(const Verdict& verdict, const LogRecord* record) {
  all_allowed_ &= verdict.allowed;
  std::cout << (output_ == Output::kJson ? ExplainJson(verdict, record)
                                         : ExplainText(verdict, record));
}

void Explainer::PrintUnknown(const LogRecord& record, const std::vector<std::string>& missing) {
  all_allowed_ = false;
  if (output_ == Output::kJson) {
    const json out = {{"decision", "unknown"},
                      {"missing", missing},
                      {"recorded", {{"decision", record.decision}, {"time", record.time}}}};
    std::cout << out.dump(2, ' ', false, json::error_handler_t::replace) << "\n";
    return;
  }
  std::cout << "UNKNOWN\nbecause:   the log does not tell " << absl::StrJoin(missing, ", ")
            << "\nrecorded:  " << (record.decision.empty() ? "no decision" : record.decision)
            << "\n";
}

absl::Status Explainer::ExplainLine(const std::string& text) {
  KITH_ASSIGN_OR_RETURN(const LogRecord record, ParseLogLine(text));
  if (!record.inbound) {
    return absl::InvalidArgumentError(
        "the line is of an outbound request, which the other sidecar decides; give its line");
  }
  std::vector<std::string> missing;
  const absl::optional<Verdict> verdict = ExplainLogged(context_, record, missing);
  if (verdict) {
    Print(*verdict, &record);
  } else {
    PrintUnknown(record, missing);
  }
  return absl::OkStatus();
}

absl::StatusOr<int> Explainer::Run() {
  KITH_RETURN_IF_ERROR(Load());
  if (!options_.request_id.empty() || !options_.log_line.empty()) {
    KITH_ASSIGN_OR_RETURN(const std::vector<std::string> lines, Lines());
    for (const std::string& line : lines) KITH_RETURN_IF_ERROR(ExplainLine(line));
  } else {
    KITH_ASSIGN_OR_RETURN(const AuthzRequest request, options_.request_file.empty()
                                                          ? FromFlags(options_)
                                                          : FromFile(options_.request_file));
    Print(DecideRequest(context_, request), nullptr);
  }
  return all_allowed_ ? EXIT_SUCCESS : kNo;
}

}  // namespace

void AddExplainCommand(CLI::App& authz, CommandLine& line) {
  auto options = std::make_shared<Options>();
  CLI::App* const command =
      authz.add_subcommand("explain", "Say what decides a request, and what a denied one lacked");
  command->footer(kFooter);
  command->add_option("--principal", options->principal, "Whom the caller proved to be");
  command->add_option("--method", options->method, "The request's method; GET by default");
  command->add_option("--path", options->path, "Its path, as it is sent");
  command->add_option("--host", options->host, "Its host");
  command->add_option("--header", options->headers, "A header, \"NAME: VALUE\"; repeat for more");
  command->add_option("--port", options->port, "The workload's port, not the Service's");
  command->add_option("--source-ip", options->source_ip, "The caller's address");
  command->add_option("--remote-ip", options->remote_ip, "The address that trusted hops tell");
  command->add_option("--destination-ip", options->destination_ip, "Where it is reached");
  command->add_option("--sni", options->sni, "The server name that its TLS asked for");
  command->add_option("--claims", options->claims, "The payload of its verified token, as JSON");
  CLI::Option* const file = command->add_option("--request", options->request_file,
                                                "A file with the request, as tests write it");
  CLI::Option* const log_line = command->add_option(
      "--log-line", options->log_line, "A line of a sidecar's access log; - reads lines");
  command
      ->add_option("--request-id", options->request_id,
                   "A recent request of the sidecar, by its id")
      ->excludes(file)
      ->excludes(log_line);
  log_line->excludes(file);
  command->add_option("--namespace", options->name_space, "The workload's namespace");
  AddLabelOption(*command, options->labels);
  command->add_option("-f,--file", options->policies, "Policies, in files or folders")
      ->type_name("FILE|DIR");
  command->add_option("--socket", options->socket, "The admin socket of a running sidecar");
  AddMeshOptions(*command, options->mesh);
  command->callback([&line, options] {
    if (options->socket.empty() && (options->policies.empty() || !options->request_id.empty())) {
      throw CLI::RequiredError(options->request_id.empty() ? "--file or --socket" : "--socket");
    }
    line.run = [options](Output output) { return Explainer(*options, output).Run(); };
  });
}

}  // namespace kith::ctl
