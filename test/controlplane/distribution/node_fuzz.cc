// Whatever a sidecar says of itself is refused, or within the bounds and read again to the same.
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/message_differencer.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "source/base/check.h"
#include "source/base/socket_address.h"
#include "source/base/spiffe_id.h"
#include "source/controlplane/distribution/workload.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using google::protobuf::util::JsonStringToMessage;
  using google::protobuf::util::MessageToJsonString;
  namespace controlplane = kith::controlplane;

  google::protobuf::Struct metadata;
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (!JsonStringToMessage(text, &metadata).ok()) return 0;
  const auto node = controlplane::ParseMetadata(metadata, "10.1.2.3");
  if (!node.ok()) return 0;
  KITH_CHECK(kith::base::IsSpiffeSegment(node->workload()), "it becomes part of names");
  KITH_CHECK(node->labels_size() <= 64 && node->inbound_size() <= 64, "bounded");
  for (const auto& inbound : node->inbound()) {
    KITH_CHECK(kith::base::SocketAddress::Parse(inbound.address()).ok(), "sidecars dial it");
    KITH_CHECK(inbound.port() >= 1 && inbound.port() <= 65535, "a port");
  }
  std::string json;
  KITH_CHECK(MessageToJsonString(*node, &json).ok(), "it came from JSON");
  google::protobuf::Struct again;
  KITH_CHECK(JsonStringToMessage(json, &again).ok(), "it came from JSON");
  const auto same = controlplane::ParseMetadata(again, "10.1.2.3");
  KITH_CHECK(same.ok(), "what is accepted is accepted again");
  KITH_CHECK(google::protobuf::util::MessageDifferencer::Equals(*node, *same),
             "and means the same");
  return 0;
}
