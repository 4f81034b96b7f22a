#include "source/controlplane/kubernetes/slice_book.h"

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "source/controlplane/registry/mesh_state.h"
#include "source/kubernetes/json_read.h"

namespace kith::controlplane {
namespace {

using kubernetes::Find;
using kubernetes::Text;
using Json = SliceBook::Json;

const Json& List(const Json& object, const char* key) {
  static const Json& none = *new Json(Json::array());
  const Json* found = Find(&object, key);
  return found == nullptr || !found->is_array() ? none : *found;
}

// Absent means unknown, which the API asks to take for `otherwise`.
bool Flag(const Json* conditions, const char* key, bool otherwise) {
  const Json* found = Find(conditions, key);
  return found == nullptr || !found->is_boolean() ? otherwise : found->get<bool>();
}

std::map<std::string, uint32_t> PortsOf(const Json& slice) {
  std::map<std::string, uint32_t> ports;
  for (const Json& port : List(slice, "ports")) {
    const Json* number = Find(&port, "port");
    const std::string protocol = Text(&port, "protocol");
    if (number == nullptr || !number->is_number_integer()) continue;
    if (!protocol.empty() && protocol != "TCP") continue;
    const int64_t value = number->get<int64_t>();
    if (value < 1 || value > 65535) continue;
    ports[Text(&port, "name")] = static_cast<uint32_t>(value);
  }
  return ports;
}

KnownSlice Read(const Json& slice) {
  const Json* metadata = Find(&slice, "metadata");
  const std::string service = Text(Find(metadata, "labels"), "kubernetes.io/service-name");
  KnownSlice read;
  if (!service.empty()) {
    read.host = absl::StrCat(service, ".", Text(metadata, "namespace"), ".svc.", kClusterDomain);
  }
  const std::string family = Text(&slice, "addressType");
  read.v6 = family == "IPv6";
  const std::map<std::string, uint32_t> ports = PortsOf(slice);
  for (const Json& each : List(slice, "endpoints")) {
    if (family == "FQDN") break;
    const Json* conditions = Find(&each, "conditions");
    const Json* target = Find(&each, "targetRef");
    KnownSlice::Endpoint endpoint;
    endpoint.ready = Flag(conditions, "ready", true);
    endpoint.ending = !endpoint.ready && Flag(conditions, "serving", false) &&
                      Flag(conditions, "terminating", false);
    if (Text(target, "kind") == "Pod") endpoint.placed.pod = Text(target, "name");
    endpoint.placed.ports = ports;
    // Of several addresses the API promises that they are one endpoint.
    const Json& addresses = List(each, "addresses");
    if (addresses.empty() || !addresses.front().is_string()) continue;
    endpoint.placed.ip = addresses.front().get<std::string>();
    read.endpoints.push_back(std::move(endpoint));
  }
  return read;
}

std::shared_ptr<const PlacedEndpoints> Gather(const SliceBook::Map& slices) {
  auto placed = std::make_shared<PlacedEndpoints>();
  std::map<std::string, bool> any_ready;
  for (const auto& [key, slice] : slices) {
    for (const KnownSlice::Endpoint& endpoint : slice.endpoints) {
      any_ready[slice.host] |= endpoint.ready;
    }
  }
  for (const bool v6 : {false, true}) {
    for (const auto& [key, slice] : slices) {
      if (slice.host.empty() || slice.v6 != v6) continue;
      std::vector<PlacedEndpoint>& endpoints = (*placed)[slice.host];
      for (const KnownSlice::Endpoint& endpoint : slice.endpoints) {
        endpoints.push_back(endpoint.placed);
        endpoints.back().serves = any_ready[slice.host] ? endpoint.ready : endpoint.ending;
      }
    }
  }
  return placed;
}

}  // namespace

SliceBook::SliceBook() : ObjectBook(&Read) {}

std::shared_ptr<const PlacedEndpoints> SliceBook::Snapshot() const { return With(&Gather); }

}  // namespace kith::controlplane
