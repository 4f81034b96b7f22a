// Whatever the bytes: no crash, a token that parses has an object for its payload and signs its own
// beginning, and none is believed, for the key is new in every run.
#include "absl/strings/match.h"
#include "source/base/check.h"
#include "source/jwt/key_set.h"
#include "source/jwt/token.h"
#include "test/jwt/token_maker.h"
#include "test/support/fuzz_driver.h"

namespace kith::jwt {
namespace {

void Try(absl::string_view text) {
  static const auto* keys = new std::shared_ptr<const KeySet>(
      *KeySet::Parse(test::TokenMaker(test::TokenMaker::Key::kP256, "").Jwks()));
  const auto token = ParseToken(text);
  if (!token.ok()) return;
  KITH_CHECK(token->claims.is_object(), "the payload is an object");
  KITH_CHECK(absl::StartsWith(text, token->signed_part), "the signed part is the beginning");
  Algorithm algorithm;
  if (!AlgorithmOf(token->algorithm, algorithm)) return;
  KITH_CHECK((*keys)->Verify(algorithm, token->key_id, token->signed_part, token->signature) !=
                 KeySet::Verdict::kGood,
             "no token is signed by a key nobody has");
}

}  // namespace
}  // namespace kith::jwt

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  kith::jwt::Try(absl::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
