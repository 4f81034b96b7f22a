#include "source/ctl/ca_revocation.h"

#include <iostream>
#include <nlohmann/json.hpp>

#include "absl/time/clock.h"
#include "source/base/status.h"
#include "source/ctl/table.h"

namespace kith::ctl {
namespace {

using nlohmann::json;

std::string Text(const json& object, const char* key) {
  const auto member = object.is_object() ? object.find(key) : object.end();
  if (member == object.end() || member->is_null()) return "";
  return member->is_string() ? member->get<std::string>() : member->dump();
}

json List(const json& object, const char* key) {
  const auto member = object.is_object() ? object.find(key) : object.end();
  return member != object.end() && member->is_array() ? *member : json::array();
}

void PrintCertificates(const json& certificates) {
  const absl::Time now = absl::Now();
  Table table({"SERIAL", "PRINCIPAL", "REASON", "REVOKED", "EXPIRES"});
  for (const json& each : certificates) {
    table.AddRow({Text(each, "serial"), Text(each, "principal"), Text(each, "reason"),
                  FromNow(Text(each, "at"), now), FromNow(Text(each, "notAfter"), now)});
  }
  std::cout << table.ToString();
}

}  // namespace

absl::Status Revoke(const AdminClient& control_plane, const RevocationRequest& request,
                    Output output) {
  json wish = {{"reason", request.reason}};
  if (!request.serial.empty()) wish["serial"] = request.serial;
  if (!request.principal.empty()) wish["principal"] = request.principal;
  KITH_ASSIGN_OR_RETURN(const json answer, control_plane.Post("/v1/ca/revoke", wish));
  if (output == Output::kJson) {
    std::cout << answer.dump(2) << "\n";
    return absl::OkStatus();
  }
  const json revoked = List(answer, "revoked");
  if (!request.principal.empty()) {
    std::cout << Text(answer, "principal") << " gets no certificate until 'kithctl ca unrevoke'; "
              << revoked.size() << " it had are revoked\n";
  }
  if (!revoked.empty()) PrintCertificates(revoked);
  std::cout << "revocation list " << Text(answer, "crlNumber") << " is on its way to sidecars\n";
  return absl::OkStatus();
}

absl::Status Unrevoke(const AdminClient& control_plane, const std::string& principal,
                      Output output) {
  KITH_ASSIGN_OR_RETURN(const json answer,
                        control_plane.Post("/v1/ca/unrevoke", {{"principal", principal}}));
  if (output == Output::kJson) {
    std::cout << answer.dump(2) << "\n";
  } else {
    std::cout << Text(answer, "principal")
              << " may have certificates again; those that were revoked stay revoked\n";
  }
  return absl::OkStatus();
}

absl::Status ShowRevocations(const AdminClient& control_plane, Output output) {
  KITH_ASSIGN_OR_RETURN(const json answer, control_plane.Get("/v1/ca/revocations"));
  if (output == Output::kJson) {
    std::cout << answer.dump(2) << "\n";
    return absl::OkStatus();
  }
  const absl::Time now = absl::Now();
  std::cout << "revocation list " << Text(answer, "crlNumber") << ", the next one by "
            << Text(answer, "nextUpdate") << "\n\n";
  Table principals({"PRINCIPAL", "REASON", "REVOKED"});
  for (const json& each : List(answer, "principals")) {
    principals.AddRow(
        {Text(each, "principal"), Text(each, "reason"), FromNow(Text(each, "at"), now)});
  }
  std::cout << principals.ToString() << "\n";
  PrintCertificates(List(answer, "certificates"));
  return absl::OkStatus();
}

}  // namespace kith::ctl
