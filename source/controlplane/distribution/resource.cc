#include "source/controlplane/distribution/resource.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/message_lite.h>

#include <cstdint>

#include "absl/strings/str_cat.h"

namespace kith::controlplane {

std::shared_ptr<const EncodedResource> Encode(const google::protobuf::MessageLite& message) {
  auto resource = std::make_shared<EncodedResource>();
  {
    google::protobuf::io::StringOutputStream stream(&resource->bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);  // Maps in the order of their keys.
    message.SerializeToCodedStream(&coded);
  }
  resource->version = Fingerprint(resource->bytes);
  return resource;
}

std::string Fingerprint(absl::string_view bytes) {
  using Wide = unsigned __int128;
  constexpr Wide kPrime = (static_cast<Wide>(1) << 88) + 0x13b;
  Wide hash = (static_cast<Wide>(0x6c62272e07bb0142u) << 64) + 0x62b821756295c58du;
  for (const char byte : bytes) {
    hash ^= static_cast<uint8_t>(byte);
    hash *= kPrime;
  }
  return absl::StrCat(absl::Hex(static_cast<uint64_t>(hash >> 64), absl::kZeroPad16),
                      absl::Hex(static_cast<uint64_t>(hash), absl::kZeroPad16));
}

}  // namespace kith::controlplane
