// Whatever the bytes: no crash, a token that parses has two objects and signs its own beginning,
// and none is believed, for the key is new in every run.
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "source/base/check.h"
#include "source/controlplane/ca/jwt.h"
#include "source/controlplane/ca/refusal.h"
#include "source/controlplane/ca/token_verifier.h"
#include "test/support/fuzz_driver.h"
#include "test/support/temporary_directory.h"

namespace kith::controlplane {
namespace {

LocalTokenVerifier MakeVerifier() {
  test::TemporaryDirectory directory;
  auto state = StateDirectory::Open(directory.File("state"));
  KITH_CHECK(state.ok(), "a temporary directory can be used");
  auto key = TokenKey::LoadOrCreate(**state);
  KITH_CHECK(key.ok(), "a key can be made");
  return LocalTokenVerifier({.key = *key});
}

void Try(absl::string_view token) {
  static const LocalTokenVerifier* verifier = new LocalTokenVerifier(MakeVerifier());
  nlohmann::json header;
  nlohmann::json claims;
  absl::string_view signed_part;
  std::string signature;
  absl::Status parsed = ParseJwt(token, header, claims, signed_part, signature);
  if (parsed.ok()) {
    KITH_CHECK(header.is_object() && claims.is_object(), "header and claims are objects");
    KITH_CHECK(absl::StartsWith(token, signed_part), "the signed part is the token's beginning");
  }
  absl::Status verified = verifier->Verify(token).status();
  KITH_CHECK(!verified.ok(), "no token is signed by a key nobody has");
  KITH_CHECK(RefusalOf(verified) != Refusal::kInternal, "every refusal has its reason");
}

}  // namespace
}  // namespace kith::controlplane

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  kith::controlplane::Try(absl::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
