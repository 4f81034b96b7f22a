// Whatever the bytes: no crash, a reason for every refusal, and what is accepted is accepted again.
#include "source/base/check.h"
#include "source/controlplane/ca/refusal.h"
#include "source/controlplane/ca/signing_request.h"
#include "test/support/fuzz_driver.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kith::controlplane;
  absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  absl::StatusOr<SigningRequest> request = ParseSigningRequest(bytes);
  if (request.ok()) {
    KITH_CHECK(request->key != nullptr && !request->key_type.empty(), "an accepted key is there");
    KITH_CHECK(ParseSigningRequest(bytes).ok(), "the verdict does not change");
  } else {
    KITH_CHECK(RefusalOf(request.status()) != Refusal::kInternal, "every refusal has its reason");
  }
  return 0;
}
