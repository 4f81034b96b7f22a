// Whatever the request, it is bounded, and what is made of it is one whole structure.
#include <openssl/bytestring.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "source/base/check.h"
#include "source/x509/crypto.h"
#include "source/x509/ocsp.h"

using kith::x509::OcspAnswer;

namespace {

const kith::x509::Issuer& TestIssuer() {
  static const kith::x509::Issuer issuer = [] {
    kith::x509::Issuer made;
    made.key = *kith::x509::GenerateP256Key();
    made.name_der = std::string("\x30\x00", 2);
    return made;
  }();
  return issuer;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto request = kith::x509::ParseOcspRequest(bytes);
  if (!request.ok()) return 0;
  KITH_CHECK(!request->certificates.empty() &&
                 request->certificates.size() <= kith::x509::kMaxOcspCertificates,
             "a request asks for something, and not for much");
  for (const auto& id : request->certificates) {
    KITH_CHECK(id.serial.size() <= 40, "a serial number is bounded");
    KITH_CHECK(!kith::x509::IsIssuerOf(id, TestIssuer()), "nobody knows this issuer's key");
  }
  const std::vector<OcspAnswer> answers(request->certificates.size());
  const auto response = kith::x509::BuildOcspResponse(
      *request, answers, {absl::UnixEpoch(), absl::UnixEpoch(), absl::UnixEpoch()}, TestIssuer());
  KITH_CHECK(response.ok(), "what was parsed can be answered");
  CBS whole;
  CBS content;
  CBS_init(&whole, reinterpret_cast<const uint8_t*>(response->data()), response->size());
  KITH_CHECK(CBS_get_asn1(&whole, &content, CBS_ASN1_SEQUENCE) && CBS_len(&whole) == 0,
             "a response is one structure");
  return 0;
}
