#include "source/ctl/commands.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "nlohmann/json.hpp"
#include "source/base/status.h"
#include "source/ctl/table.h"

namespace kith::ctl {

using nlohmann::json;

namespace {

void PrintJson(const json& value) { std::cout << value.dump(2) << "\n"; }

// The member as text; empty when it is missing or null.
std::string Text(const json& object, const char* key) {
  if (!object.is_object()) return "";
  const auto member = object.find(key);
  if (member == object.end() || member->is_null()) return "";
  return member->is_string() ? member->get<std::string>() : member->dump();
}

// The member, or an empty list when it is missing or something else.
json List(const json& object, const char* key) {
  if (!object.is_object() || !object.contains(key) || !object[key].is_array()) return json::array();
  return object[key];
}

json Object(const json& object, const char* key) {
  if (!object.is_object() || !object.contains(key) || !object[key].is_object()) {
    return json::object();
  }
  return object[key];
}

// SYNCED, or the first state that is not, with its reason in `why`.
std::string ConfigState(const json& workload, std::string& why) {
  std::string state;
  for (const json& type : List(workload, "config")) {
    const std::string one = Text(type, "state");
    if (state.empty() || state == "SYNCED") state = one;
    if (one == "SYNCED") continue;
    const std::string error = Text(type, "error");
    absl::StrAppend(&why, "  ", Text(workload, "namespace"), "/", Text(workload, "name"), ": ",
                    Text(type, "type"), " ", one, error.empty() ? "" : ": ", error, "\n");
  }
  return state;
}

void PrintChain(const json& certs, absl::Time now) {
  Table table(
      {"KIND", "SERIAL", "SUBJECT", "KEY ID", "ISSUED BY", "NOT BEFORE", "NOT AFTER", "EXPIRES"});
  const auto add = [&](const std::string& kind, const std::string& subject,
                       const json& certificate) {
    table.AddRow({kind, Text(certificate, "serial"), subject, Text(certificate, "keyId"),
                  Text(certificate, "issuerKeyId"), Text(certificate, "notBefore"),
                  Text(certificate, "notAfter"), FromNow(Text(certificate, "notAfter"), now)});
  };
  bool leaf = true;
  for (const json& certificate : List(certs, "chain")) {
    const std::string subject = Text(certificate, "subject");
    add(leaf ? "leaf" : "issuer", leaf && subject.empty() ? Text(certs, "spiffeId") : subject,
        certificate);
    leaf = false;
  }
  for (const json& root : List(certs, "roots")) {
    add("root", absl::StrCat(Text(root, "subject"), " (", Text(root, "trustDomain"), ")"), root);
  }
  std::cout << table.ToString();
}

void PrintBundles(const json& certs) {
  Table table({"TRUST DOMAIN", "FROM", "GENERATION", "ROOTS", "RETIRING KEY IDS"});
  for (const json& bundle : List(certs, "bundles")) {
    std::vector<std::string> retiring;
    for (const json& key_id : List(bundle, "retiringKeyIds")) {
      retiring.push_back(key_id.get<std::string>());
    }
    table.AddRow({Text(bundle, "trustDomain"), Text(bundle, "from"), Text(bundle, "generation"),
                  Text(bundle, "roots"), absl::StrJoin(retiring, ",")});
  }
  std::cout << table.ToString();
}

// One line of an attempt; nothing when there was none.
void PrintAttempt(const char* title, const json& attempt, absl::Time now) {
  if (attempt.empty()) return;
  const std::string error = Text(attempt, "error");
  std::cout << title << FromNow(Text(attempt, "at"), now) << ": " << Text(attempt, "result")
            << (error.empty() ? "" : ": ") << error << "\n";
}

void PrintIdentity(const json& certs, absl::Time now) {
  std::cout << "identity      " << Text(certs, "spiffeId") << "\n"
            << "source        " << Text(certs, "source") << ", generation "
            << Text(certs, "generation") << ", presented since "
            << FromNow(Text(certs, "activatedAt"), now) << "\n"
            << "next renewal  ";
  const std::string next = Text(certs, "nextRenewal");
  std::cout << (next.empty() ? "when the source has a new one" : FromNow(next, now)) << "\n";
  PrintAttempt("last attempt  ", Object(certs, "lastAttempt"), now);
  PrintAttempt("last failure  ", Object(certs, "lastFailure"), now);
  const uint64_t behind = certs.value("workersBehind", uint64_t{0});
  if (behind > 0) std::cout << "behind        " << behind << " workers present an older one\n";
}

// Never through a file that others can read, not even for a moment.
absl::Status WritePrivately(const std::string& file, const std::string& text) {
  const int descriptor = open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (descriptor < 0) {
    return absl::UnavailableError(absl::StrCat("write the token to ", file, ": ",
                                               std::strerror(errno), "; does its folder exist?"));
  }
  const bool written =
      fchmod(descriptor, 0600) == 0 &&
      write(descriptor, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const int error = errno;
  close(descriptor);
  if (written) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("write the token to ", file, ": ", std::strerror(error)));
}

}  // namespace

absl::Status ShowMesh(const AdminClient& control_plane, Output output) {
  KITH_ASSIGN_OR_RETURN(const json status, control_plane.Get("/v1/status"));
  if (output == Output::kJson) {
    PrintJson(status);
    return absl::OkStatus();
  }
  const absl::Time now = absl::Now();
  std::cout << "control plane " << Text(status, "version") << ", trust domain "
            << Text(status, "trustDomain") << "\n";
  for (const json& root : List(status, "roots")) {
    std::cout << "root " << Text(root, "serial") << ", expires "
              << FromNow(Text(root, "notAfter"), now) << "\n";
  }
  std::cout << "\n";

  Table table(
      {"NAMESPACE", "WORKLOAD", "IDENTITY", "SERIAL", "EXPIRES", "ROTATED", "CONNECTED", "CONFIG"});
  std::string why;
  for (const json& workload : List(status, "workloads")) {
    const json certificate = Object(workload, "certificate");
    const bool connected = workload.value("connected", false);
    table.AddRow({Text(workload, "namespace"), Text(workload, "name"), Text(workload, "spiffeId"),
                  Text(certificate, "serial"), FromNow(Text(certificate, "notAfter"), now),
                  FromNow(Text(certificate, "activatedAt"), now), connected ? "yes" : "no",
                  connected ? ConfigState(workload, why) : ""});
  }
  std::cout << table.ToString();

  for (const json& file : List(Object(status, "registry"), "files")) {
    if (Text(file, "state") == "good") continue;
    absl::StrAppend(&why, "  ", Text(file, "file"), ": ", Text(file, "error"),
                    "; its last good content stays in force\n");
  }
  if (!why.empty()) std::cout << "\nnot in order:\n" << why;
  return absl::OkStatus();
}

absl::Status ShowSidecar(const AdminClient& sidecar, Output output) {
  KITH_ASSIGN_OR_RETURN(const json status, sidecar.Get("/v1/status"));
  if (output == Output::kJson) {
    PrintJson(status);
    return absl::OkStatus();
  }
  const absl::Time now = absl::Now();
  const json workload = Object(status, "workload");
  std::cout << "workload      " << Text(workload, "namespace") << "/" << Text(workload, "name")
            << ", version " << Text(status, "version") << ", "
            << (status.value("ready", false) ? "ready" : "not ready") << "\n";
  for (const json& reason : List(status, "notReady")) {
    std::cout << "              " << reason.get<std::string>() << "\n";
  }
  PrintIdentity(Object(status, "identity"), now);
  const json control_plane = Object(status, "controlPlane");
  const std::string error = Text(control_plane, "lastError");
  std::cout << "control plane " << Text(control_plane, "address") << ", "
            << (control_plane.value("connected", false) ? "connected " : "not connected, ")
            << FromNow(Text(control_plane, "since"), now) << (error.empty() ? "" : ": ") << error
            << "\n";
  const json config = Object(status, "config");
  std::vector<std::string> policies;
  for (const json& policy : List(config, "policies")) {
    policies.push_back(absl::StrCat(Text(policy, "name"), " (", Text(policy, "action"), ")"));
  }
  std::cout << "mutual TLS    " << Text(config, "mtls") << "\n"
            << "policies      " << (policies.empty() ? "none" : absl::StrJoin(policies, ", "))
            << "\n\n";

  Table services({"SERVICE", "PORT", "PROTOCOL", "ENDPOINT", "WORKLOAD", "TLS", "PRINCIPALS"});
  for (const json& service : List(config, "services")) {
    for (const json& port : List(service, "ports")) {
      for (const json& endpoint : List(port, "endpoints")) {
        std::vector<std::string> principals;
        for (const json& principal : List(endpoint, "principals")) {
          principals.push_back(principal.get<std::string>());
        }
        services.AddRow({Text(service, "host"), Text(port, "number"), Text(port, "protocol"),
                         Text(endpoint, "address"), Text(endpoint, "workload"),
                         Text(endpoint, "tls"), absl::StrJoin(principals, ",")});
      }
    }
  }
  std::cout << services.ToString();
  return absl::OkStatus();
}

absl::Status CreateToken(const AdminClient& control_plane, const TokenRequest& request,
                         Output output) {
  KITH_ASSIGN_OR_RETURN(
      const json answer,
      control_plane.Post(request.use == TokenRequest::Use::kJoin ? "/v1/join-tokens" : "/v1/tokens",
                         {{"namespace", request.name_space},
                          {"serviceAccount", request.service_account},
                          {"ttl", request.ttl}}));
  const std::string token = Text(answer, "token");
  if (request.file.empty()) {
    if (output == Output::kJson) {
      PrintJson(answer);
    } else {
      std::cout << token << "\n";
    }
    return absl::OkStatus();
  }
  KITH_RETURN_IF_ERROR(WritePrivately(request.file, token + "\n"));
  if (output == Output::kJson) {
    json told = answer;
    told.erase("token");
    told["file"] = request.file;
    PrintJson(told);
  } else {
    std::cout << "token for " << Text(answer, "spiffeId") << " written to " << request.file
              << ", expires " << FromNow(Text(answer, "expiresAt"), absl::Now()) << "\n";
  }
  return absl::OkStatus();
}

absl::Status ShowCertificates(const AdminClient& sidecar, Output output) {
  KITH_ASSIGN_OR_RETURN(const json certs, sidecar.Get("/v1/certs"));
  if (output == Output::kJson) {
    PrintJson(certs);
    return absl::OkStatus();
  }
  const absl::Time now = absl::Now();
  PrintIdentity(certs, now);
  std::cout << "\n";
  PrintChain(certs, now);
  std::cout << "\n";
  PrintBundles(certs);
  return absl::OkStatus();
}

absl::Status RotateCertificate(const AdminClient& sidecar, absl::Duration timeout, Output output) {
  KITH_ASSIGN_OR_RETURN(const json before, sidecar.Get("/v1/certs"));
  const uint64_t generation = before.value("generation", uint64_t{0});
  KITH_ASSIGN_OR_RETURN(const json accepted, sidecar.Post("/v1/rotate", json::object()));
  (void)accepted;
  const absl::Time deadline = absl::Now() + timeout;
  json certs = before;
  while (certs.value("generation", uint64_t{0}) <= generation) {
    if (absl::Now() >= deadline) {
      const std::string error = Text(Object(certs, "lastAttempt"), "error");
      return absl::DeadlineExceededError(absl::StrCat(
          "rotate: no new certificate within ", ShortDuration(timeout), "; the one in use stays",
          error.empty() ? "" : "; the last attempt said: ", error));
    }
    absl::SleepFor(absl::Milliseconds(20));
    KITH_ASSIGN_OR_RETURN(certs, sidecar.Get("/v1/certs"));
  }
  if (output == Output::kJson) {
    PrintJson(certs);
  } else {
    std::cout << Text(certs, "spiffeId") << "\n";
    for (const json* each : {&before, static_cast<const json*>(&certs)}) {
      const json chain = List(*each, "chain");
      const json leaf = chain.empty() ? json::object() : chain.front();
      std::cout << "  generation " << Text(*each, "generation") << "  serial "
                << Text(leaf, "serial") << "  expires "
                << FromNow(Text(leaf, "notAfter"), absl::Now()) << "\n";
    }
  }
  return absl::OkStatus();
}

}  // namespace kith::ctl
