// Whatever the bytes: no crash, a token that parses has two objects and signs its own beginning,
// and none is believed, for the key is new in every run.
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "source/base/check.h"
#include "source/controlplane/ca/refusal.h"
#include "source/controlplane/ca/token_verifier.h"
#include "source/jwt/token.h"
#include "test/support/fuzz_driver.h"
#include "test/support/temporary_directory.h"

namespace kith::controlplane {
namespace {

JwtVerifier MakeVerifier() {
  test::TemporaryDirectory directory;
  auto state = StateDirectory::Open(directory.File("state"));
  KITH_CHECK(state.ok(), "a temporary directory can be used");
  auto key = TokenKey::LoadOrCreate(**state);
  KITH_CHECK(key.ok(), "a key can be made");
  return JwtVerifier({OwnIssuer(**key)});
}

void Try(absl::string_view token) {
  static const JwtVerifier* verifier = new JwtVerifier(MakeVerifier());
  const absl::StatusOr<jwt::Token> parsed = jwt::ParseToken(token);
  if (parsed.ok()) {
    KITH_CHECK(parsed->claims.is_object(), "claims are an object");
    KITH_CHECK(absl::StartsWith(token, parsed->signed_part),
               "the signed part is the token's beginning");
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
