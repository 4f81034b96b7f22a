#include "source/ctl/ca_audit.h"

#include <cerrno>
#include <cstring>
#include <deque>
#include <fstream>
#include <nlohmann/json.hpp>
#include <ostream>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "source/base/status.h"
#include "source/ctl/table.h"
#include "source/x509/hash_chain.h"

namespace kith::ctl {
namespace {

using nlohmann::json;

absl::Status Open(const std::string& name, std::ifstream& file) {
  file.open(name);
  if (file) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat("read ", name, ": ", std::strerror(errno),
                                          "; the control plane keeps audit.jsonl in its state "
                                          "directory"));
}

std::string Text(const json& object, const char* key) {
  const auto member = object.find(key);
  return member != object.end() && member->is_string() ? member->get<std::string>() : "";
}

bool Fits(const AuditFilter& filter, const json& line) {
  if (!filter.event.empty() && Text(line, "event") != filter.event) return false;
  if (!filter.decision.empty() && Text(line, "decision") != filter.decision) return false;
  if (!filter.principal.empty() && Text(line, "spiffe_id") != filter.principal) return false;
  if (!filter.serial.empty() && Text(line, "serial") != filter.serial) return false;
  if (filter.since == absl::InfinitePast() && filter.until == absl::InfiniteFuture()) return true;
  absl::Time time;
  std::string error;
  return absl::ParseTime(absl::RFC3339_full, Text(line, "time"), &time, &error) &&
         time >= filter.since && time <= filter.until;
}

// What a person looks for beside who and when.
std::string Detail(const json& line) {
  std::vector<std::string> parts;
  for (const char* key : {"detail", "caller", "token_id", "peer"}) {
    const std::string value = Text(line, key);
    if (!value.empty()) parts.push_back(value);
  }
  std::string detail;
  for (const std::string& part : parts) absl::StrAppend(&detail, detail.empty() ? "" : ", ", part);
  return detail;
}

}  // namespace

absl::Status VerifyAudit(const AuditVerification& request, Output output, std::ostream& out) {
  std::ifstream file;
  KITH_RETURN_IF_ERROR(Open(request.file, file));
  x509::HashChainReader reader;
  bool head_seen = request.head.empty();
  bool ended_line = true;
  for (std::string line; std::getline(file, line);) {
    // The last line may still be being written.
    ended_line = !file.eof();
    if (!ended_line) break;
    const absl::Status read = reader.Read(line);
    if (!read.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(request.file, ": ", read.message()));
    }
    head_seen = head_seen || reader.chain() == request.head;
  }
  if (!head_seen) {
    return absl::InvalidArgumentError(
        absl::StrCat(request.file, ": no line has the chain ", request.head,
                     "; lines at its end were cut off, or it is another log"));
  }
  if (output == Output::kJson) {
    out << json{{"file", request.file},
                {"intact", true},
                {"lines", reader.lines()},
                {"unchained", reader.unchained()},
                {"head", reader.chain()}}
               .dump(2)
        << "\n";
    return absl::OkStatus();
  }
  out << request.file << ": intact, " << reader.lines() << " lines";
  if (reader.unchained() > 0) out << ", the first " << reader.unchained() << " without a chain";
  out << "\nhead " << reader.chain() << "\n";
  if (!ended_line) out << "the last line is not finished and was not looked at\n";
  return absl::OkStatus();
}

absl::Status ShowAudit(const AuditFilter& filter, Output output, std::ostream& out) {
  std::ifstream file;
  KITH_RETURN_IF_ERROR(Open(filter.file, file));
  std::deque<json> shown;
  for (std::string text; std::getline(file, text);) {
    // Cheap first: most lines of a big log are somebody else's.
    if (!absl::StrContains(text, filter.principal) || !absl::StrContains(text, filter.serial)) {
      continue;
    }
    json line = json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!line.is_object() || !Fits(filter, line)) continue;
    shown.push_back(std::move(line));
    if (filter.limit > 0 && shown.size() > filter.limit) shown.pop_front();
  }
  if (output == Output::kJson) {
    for (const json& line : shown) out << line.dump() << "\n";
    return absl::OkStatus();
  }
  Table table(
      {"TIME", "EVENT", "DECISION", "REASON", "PRINCIPAL", "SERIAL", "NOT AFTER", "DETAIL"});
  for (const json& line : shown) {
    table.AddRow({Text(line, "time"), Text(line, "event"), Text(line, "decision"),
                  Text(line, "reason"), Text(line, "spiffe_id"), Text(line, "serial"),
                  Text(line, "not_after"), Detail(line)});
  }
  out << table.ToString();
  return absl::OkStatus();
}

}  // namespace kith::ctl
