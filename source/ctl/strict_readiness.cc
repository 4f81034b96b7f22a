#include "source/ctl/strict_readiness.h"

#include <algorithm>
#include <iostream>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "source/base/status.h"
#include "source/ctl/authz_options.h"
#include "source/ctl/table.h"

namespace kith::ctl {
namespace {

using nlohmann::json;

constexpr char kFooter[] = R"(Examples:
  kithctl strict-readiness --log /var/log/kith/access.log
  kithctl strict-readiness --sidecar /run/kith/backend.sock

A sidecar names the clients it has seen since it started, 1024 addresses and ports of each worker.
Exit codes: 0 nobody comes in plaintext, 1 somebody does, 64 wrong usage, 65 bad input.)";

struct Options {
  std::vector<std::string> logs;
  std::string sidecar;
};

// Empty and zero for what is not there, or is something else.
std::string TextOf(const json& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}
uint64_t NumberOf(const json& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return found != object.end() && found->is_number_unsigned() ? found->get<uint64_t>() : 0;
}

void Print(const StrictReadiness& readiness, size_t seen, Output output) {
  const std::vector<PlaintextClient> clients = readiness.Clients();
  if (output == Output::kJson) {
    json list = json::array();
    for (const PlaintextClient& client : clients) {
      list.push_back({{"ip", client.ip},
                      {"workload", client.workload},
                      {"port", client.port},
                      {"count", client.count},
                      {"last", client.last}});
    }
    const json all = {{"clients", std::move(list)}, {"unnamed", readiness.beyond()}};
    std::cout << all.dump(2) << "\n";
    return;
  }
  if (!clients.empty()) {
    Table table({"CLIENT", "WORKLOAD", "PORT", "COUNT", "LAST"});
    for (const PlaintextClient& client : clients) {
      table.AddRow({client.ip, client.workload, absl::StrCat(client.port),
                    absl::StrCat(client.count), client.last});
    }
    std::cout << table.ToString();
  }
  if (readiness.beyond() > 0) {
    std::cout << readiness.beyond() << " connections of clients that the sidecar could not name\n";
  }
  if (clients.empty() && readiness.beyond() == 0) {
    std::cout << "nobody came in plaintext"
              << (seen == 0 ? ", nor did the logs tell of any inbound traffic" : "") << "\n";
  } else {
    std::cout << "STRICT would break these clients\n";
  }
}

absl::StatusOr<int> Run(const Options& options, Output output) {
  StrictReadiness readiness;
  size_t seen = options.sidecar.empty() ? 0 : 1;
  KITH_ASSIGN_OR_RETURN(const LogCounts counts,
                        ReadLogs(options.logs, [&](const LogRecord& record) {
                          seen += record.inbound ? 1 : 0;
                          readiness.Add(record);
                        }));
  if (counts.unreadable > 0) {
    std::cerr << "kithctl: " << counts.unreadable
              << " lines are not of an access log, the first is " << counts.first_error << "\n";
    if (counts.unreadable == counts.lines) return kBadData;
  }
  if (!options.sidecar.empty()) {
    const AdminClient sidecar(options.sidecar, "the sidecar");
    KITH_ASSIGN_OR_RETURN(const json status, sidecar.Get("/v1/status"));
    std::string workload;
    const auto own = status.find("workload");
    if (own != status.end()) {
      workload = absl::StrCat(TextOf(*own, "namespace"), "/", TextOf(*own, "name"));
    }
    KITH_ASSIGN_OR_RETURN(const json answer, sidecar.Get("/v1/plaintext"));
    KITH_RETURN_IF_ERROR(readiness.AddSidecar(answer, workload));
  }
  Print(readiness, seen, output);
  return readiness.Clients().empty() && readiness.beyond() == 0 ? EXIT_SUCCESS : kNo;
}

}  // namespace

void StrictReadiness::Count(PlaintextClient client) {
  auto key = std::make_tuple(client.ip, client.workload, client.port);
  const auto [entry, added] = clients_.emplace(std::move(key), client);
  if (added) return;
  entry->second.count += client.count;
  // RFC 3339 in UTC compares as text.
  entry->second.last = std::max(entry->second.last, client.last);
}

void StrictReadiness::Add(const LogRecord& record) {
  // What a STRICT port has refused already breaks no more.
  if (!record.inbound || record.mutual_tls || record.reason == "plaintext_on_strict") return;
  // Connections that ended before they said anything, and failed handshakes.
  if (record.decision.empty() && !record.http) return;
  Count({record.Source(), record.workload, record.port, 1, record.time});
}

absl::Status StrictReadiness::AddSidecar(const json& answer, const std::string& workload) {
  const auto sources = answer.is_object() ? answer.find("sources") : answer.end();
  if (sources == answer.end() || !sources->is_array()) {
    return absl::InternalError("the sidecar's answer holds no sources");
  }
  for (const json& source : *sources) {
    if (!source.is_object()) return absl::InternalError("the sidecar's answer is malformed");
    Count({TextOf(source, "ip"), workload, static_cast<uint16_t>(NumberOf(source, "port")),
           NumberOf(source, "connections"), TextOf(source, "last")});
  }
  beyond_ += NumberOf(answer, "beyond");
  return absl::OkStatus();
}

std::vector<PlaintextClient> StrictReadiness::Clients() const {
  std::vector<PlaintextClient> clients;
  clients.reserve(clients_.size());
  for (const auto& [key, client] : clients_) clients.push_back(client);
  std::stable_sort(
      clients.begin(), clients.end(),
      [](const PlaintextClient& a, const PlaintextClient& b) { return a.last > b.last; });
  return clients;
}

void AddStrictReadinessCommand(CLI::App& app, CommandLine& line) {
  auto options = std::make_shared<Options>();
  CLI::App* const command = app.add_subcommand(
      "strict-readiness", "Name the plaintext clients that STRICT mutual TLS would break");
  command->footer(kFooter);
  command->add_option("--log", options->logs, "Access logs; - is the standard input")
      ->type_name("FILE");
  command->add_option("--sidecar,--socket", options->sidecar, "Admin socket of a running sidecar")
      ->type_name("SOCKET");
  command->callback([&line, options] {
    if (options->logs.empty() && options->sidecar.empty()) {
      throw CLI::RequiredError("--log or --sidecar");
    }
    line.run = [options](Output output) { return Run(*options, output); };
  });
}

}  // namespace kith::ctl
