#include "source/x509/key_type.h"

#include <openssl/bn.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/rsa.h>

#include <array>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "source/x509/crypto.h"

namespace kith::x509 {
namespace {

constexpr std::array<std::pair<KeyType, absl::string_view>, 6> kNames = {{
    {KeyType::kP256, "P-256"},
    {KeyType::kP384, "P-384"},
    {KeyType::kRsa2048, "RSA-2048"},
    {KeyType::kRsa3072, "RSA-3072"},
    {KeyType::kRsa4096, "RSA-4096"},
    {KeyType::kEd25519, "Ed25519"},
}};

bssl::UniquePtr<EVP_PKEY> OnCurve(int curve) {
  bssl::UniquePtr<EC_KEY> ec(EC_KEY_new_by_curve_name(curve));
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  if (!ec || !key || !EC_KEY_generate_key(ec.get()) || !EVP_PKEY_set1_EC_KEY(key.get(), ec.get())) {
    return nullptr;
  }
  return key;
}

bssl::UniquePtr<EVP_PKEY> Rsa(int bits) {
  bssl::UniquePtr<BIGNUM> exponent(BN_new());
  bssl::UniquePtr<RSA> rsa(RSA_new());
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  if (!exponent || !rsa || !key || !BN_set_word(exponent.get(), RSA_F4) ||
      !RSA_generate_key_ex(rsa.get(), bits, exponent.get(), nullptr) ||
      !EVP_PKEY_set1_RSA(key.get(), rsa.get())) {
    return nullptr;
  }
  return key;
}

bssl::UniquePtr<EVP_PKEY> Ed25519() {
  bssl::UniquePtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_id(EVP_PKEY_ED25519, nullptr));
  EVP_PKEY* key = nullptr;
  if (!context || !EVP_PKEY_keygen_init(context.get()) || !EVP_PKEY_keygen(context.get(), &key)) {
    return nullptr;
  }
  return bssl::UniquePtr<EVP_PKEY>(key);
}

bssl::UniquePtr<EVP_PKEY> Generate(KeyType type) {
  switch (type) {
    case KeyType::kP256:
      return OnCurve(NID_X9_62_prime256v1);
    case KeyType::kP384:
      return OnCurve(NID_secp384r1);
    case KeyType::kRsa2048:
      return Rsa(2048);
    case KeyType::kRsa3072:
      return Rsa(3072);
    case KeyType::kRsa4096:
      return Rsa(4096);
    case KeyType::kEd25519:
      return Ed25519();
  }
  return nullptr;
}

}  // namespace

absl::string_view Name(KeyType type) { return kNames[static_cast<size_t>(type)].second; }

absl::StatusOr<KeyType> ParseKeyType(absl::string_view name) {
  for (const auto& [type, known] : kNames) {
    if (absl::EqualsIgnoreCase(known, name)) return type;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("key type \"", absl::CHexEscape(name.substr(0, 40)), "\" is not one of ",
                   absl::StrJoin(kNames, ", ", [](std::string* out, const auto& each) {
                     absl::StrAppend(out, each.second);
                   })));
}

absl::StatusOr<bssl::UniquePtr<EVP_PKEY>> GenerateKey(KeyType type) {
  bssl::UniquePtr<EVP_PKEY> key = Generate(type);
  if (!key) return CryptoError(absl::StrCat("generate a key of type ", Name(type)));
  return key;
}

}  // namespace kith::x509
