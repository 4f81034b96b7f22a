// Whatever the bytes: no crash, and a set that is taken holds keys, within the limit.
#include "source/base/check.h"
#include "source/jwt/key_set.h"
#include "test/support/fuzz_driver.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using kith::jwt::KeySet;
  const auto keys = KeySet::Parse(absl::string_view(reinterpret_cast<const char*>(data), size));
  if (!keys.ok()) return 0;
  KITH_CHECK((*keys)->size() > 0 && (*keys)->size() <= kith::jwt::kMaxKeys, "as many as allowed");
  const auto verdict = (*keys)->Verify(kith::jwt::Algorithm::kEs256, "", "a.b", "no signature");
  KITH_CHECK(verdict != KeySet::Verdict::kGood, "a text is no signature");
  return 0;
}
