#include "source/controlplane/distribution/roster.h"

#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "source/base/socket_address.h"
#include "source/base/spiffe_id.h"

namespace kith::controlplane {
namespace {

using Json = nlohmann::json;

std::string TextOf(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

// Nothing is taken on trust from a file: a record must be what a sidecar could have said.
bool FromJson(const Json& json, Workload& workload) {
  if (!json.is_object()) return false;
  workload.name_space = TextOf(json, "namespace");
  workload.name = TextOf(json, "name");
  workload.service_account = TextOf(json, "serviceAccount");
  if (!base::IsSpiffeSegment(workload.name_space) || !base::IsSpiffeSegment(workload.name) ||
      !base::IsSpiffeSegment(workload.service_account)) {
    return false;
  }
  if (!json.contains("labels") || !json["labels"].is_object()) return false;
  for (const auto& [key, value] : json["labels"].items()) {
    if (!value.is_string()) return false;
    workload.labels[key] = value.get<std::string>();
  }
  if (!json.contains("inbound") || !json["inbound"].is_object()) return false;
  for (const auto& [port, address] : json["inbound"].items()) {
    uint32_t number = 0;
    if (!absl::SimpleAtoi(port, &number) || number < 1 || number > 65535 || !address.is_string() ||
        !base::SocketAddress::Parse(address.get<std::string>()).ok()) {
      return false;
    }
    workload.inbound[number] = address.get<std::string>();
  }
  // Files of before addresses were captured have none.
  if (!json.contains("captured")) return true;
  if (!json["captured"].is_object()) return false;
  for (const auto& [ip, proven] : json["captured"].items()) {
    if (!proven.is_boolean()) return false;
    workload.captured[ip] = proven.get<bool>();
  }
  return true;
}

}  // namespace

absl::StatusOr<Roster::StreamId> Roster::Attach(StreamId stream, const Workload& workload,
                                                const mesh::v1::NodeMetadata& metadata,
                                                const std::string& peer, absl::Time now) {
  const Key key(workload.name_space, workload.name);
  if (!records_.contains(key)) {
    size_t neighbours = 0;
    for (auto other = records_.lower_bound(Key(workload.name_space, ""));
         other != records_.end() && other->first.first == workload.name_space; ++other) {
      ++neighbours;
    }
    if (neighbours >= options_.max_workloads) {
      return absl::ResourceExhaustedError(absl::StrCat("namespace ", workload.name_space, " has ",
                                                       neighbours, " workloads already"));
    }
  }
  Record& record = records_[key];
  if (record.stream != kNoStream && record.workload.service_account != workload.service_account) {
    return absl::AlreadyExistsError(
        absl::StrCat("workload ", workload.name_space, "/", workload.name,
                     " is connected with another service account, ",
                     record.workload.service_account, "; give each workload its own name"));
  }
  const StreamId replaced = record.stream == stream ? kNoStream : record.stream;
  if (record.stream != stream) record.since = now;
  record.workload = workload;
  record.version = metadata.version();
  record.certificate = metadata.certificate();
  record.trust_bundle_generation = metadata.trust_bundle_generation();
  record.drained = false;
  record.peer = peer;
  record.stream = stream;
  record.present = true;
  record.present_until = absl::InfiniteFuture();
  return replaced;
}

void Roster::Detach(StreamId stream, const Key& key, Leave leave, absl::Time now) {
  const auto found = records_.find(key);
  if (found == records_.end() || found->second.stream != stream) return;
  found->second.stream = kNoStream;
  found->second.since = now;
  found->second.drained = leave == Leave::kDrained;
  found->second.present_until = leave == Leave::kDrained ? now : now + options_.linger;
}

std::vector<Roster::Key> Roster::Expire(absl::Time now) {
  std::vector<Key> gone;
  for (auto entry = records_.begin(); entry != records_.end();) {
    Record& record = entry->second;
    if (record.stream == kNoStream && record.present && record.present_until <= now) {
      record.present = false;
      gone.push_back(entry->first);
    }
    if (!record.present && record.since + options_.remember <= now) {
      entry = records_.erase(entry);
    } else {
      ++entry;
    }
  }
  return gone;
}

const Roster::Record* Roster::Find(const Key& key) const {
  const auto found = records_.find(key);
  return found == records_.end() ? nullptr : &found->second;
}

std::string Roster::Save() const {
  Json workloads = Json::array();
  for (const auto& [key, record] : records_) {
    if (!record.present) continue;
    const Workload& workload = record.workload;
    Json inbound = Json::object();
    for (const auto& [port, address] : workload.inbound) inbound[std::to_string(port)] = address;
    workloads.push_back({{"namespace", workload.name_space},
                         {"name", workload.name},
                         {"serviceAccount", workload.service_account},
                         {"labels", workload.labels},
                         {"inbound", std::move(inbound)},
                         {"captured", workload.captured}});
  }
  return Json{{"workloads", std::move(workloads)}}.dump(-1, ' ', false,
                                                        Json::error_handler_t::replace);
}

void Roster::Restore(const std::string& json, absl::Time now) {
  const Json parsed = Json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object() || !parsed.contains("workloads")) return;
  const Json& workloads = parsed["workloads"];
  if (!workloads.is_array()) return;
  for (const Json& entry : workloads) {
    Record record;
    if (!FromJson(entry, record.workload)) continue;
    record.since = now;
    record.present_until = now + options_.settle;
    Key key(record.workload.name_space, record.workload.name);
    records_.try_emplace(std::move(key), std::move(record));
  }
}

}  // namespace kith::controlplane
