// Any bytes are read or refused within the limits, and what is read means the same when it is
// written as JSON and read again.
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/message_differencer.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/match.h"
#include "kith/config/v1/sidecar.pb.h"
#include "kith/security/v1/authorization_policy.pb.h"
#include "kith/security/v1/peer_authentication.pb.h"
#include "source/config/document.h"

namespace kith::config {
namespace {

template <typename Message>
void CheckRoundTrip(Message message) {
  if constexpr (requires { message.mutable_metadata(); }) {
    // protobuf's JSON quotes 64-bit integers, which files may not.
    if (message.has_metadata()) {
      message.mutable_metadata()->clear_generation();
      message.mutable_metadata()->clear_deletion_grace_period_seconds();
    }
  }
  std::string json;
  if (!google::protobuf::util::MessageToJsonString(message, &json).ok()) std::abort();
  // Surrogate pairs are the part of JSON that is not read.
  if (absl::StrContains(json, "\\ud")) return;
  Limits limits;
  limits.bytes = size_t{64} << 20;  // Aliases and escapes may have become longer.
  const auto again = ParseSingle<Message>(json, "again.json", limits);
  if (!again.ok()) std::abort();
  if (!google::protobuf::util::MessageDifferencer::Equals(message, *again)) std::abort();
}

template <typename Message>
void CheckDecode(const Document& document) {
  Message message;
  if (Decode(document, message).ok()) CheckRoundTrip(message);
}

}  // namespace
}  // namespace kith::config

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kith::config;
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto documents = ParseDocuments(text, "input.yaml");
  if (documents.ok()) {
    for (const Document& document : *documents) {
      CheckDecode<kith::security::v1::AuthorizationPolicy>(document);
      CheckDecode<kith::security::v1::PeerAuthentication>(document);
    }
  }
  const auto config = ParseSingle<kith::config::v1::SidecarConfig>(text, "input.yaml");
  if (config.ok()) CheckRoundTrip(*config);
  return 0;
}
