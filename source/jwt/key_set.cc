#include "source/jwt/key_set.h"

#include <openssl/bn.h>
#include <openssl/digest.h>
#include <openssl/ec_key.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "source/jwt/token.h"

namespace kith::jwt {
namespace {

using nlohmann::json;

constexpr unsigned kMinRsaBits = 2048;
constexpr unsigned kMaxRsaBits = 8192;
constexpr unsigned kMaxExponentBits = 33;
constexpr int kMaxDepth = 8;

enum class KeyType : uint8_t { kRsa, kP256, kP384, kEd25519 };

struct AlgorithmTraits {
  absl::string_view name;
  KeyType key_type;
  const EVP_MD* (*digest)();  // Null: the algorithm has its own.
  size_t scalar;              // Of an ECDSA signature's halves.
};

constexpr AlgorithmTraits kTraits[] = {
    {"RS256", KeyType::kRsa, EVP_sha256, 0},   {"RS384", KeyType::kRsa, EVP_sha384, 0},
    {"RS512", KeyType::kRsa, EVP_sha512, 0},   {"PS256", KeyType::kRsa, EVP_sha256, 0},
    {"ES256", KeyType::kP256, EVP_sha256, 32}, {"ES384", KeyType::kP384, EVP_sha384, 48},
    {"EdDSA", KeyType::kEd25519, nullptr, 0},
};

const AlgorithmTraits& TraitsOf(Algorithm algorithm) {
  return kTraits[static_cast<size_t>(algorithm)];
}

const std::string* Text(const json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() ? nullptr : found->get_ptr<const std::string*>();
}

bool Number(const json& jwk, const char* name, std::string& bytes) {
  const std::string* text = Text(jwk, name);
  return text != nullptr && text->size() <= 4096 && DecodeBase64Url(*text, bytes) && !bytes.empty();
}

bssl::UniquePtr<BIGNUM> ToBignum(absl::string_view bytes) {
  return bssl::UniquePtr<BIGNUM>(
      BN_bin2bn(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), nullptr));
}

bssl::UniquePtr<EVP_PKEY> RsaKey(const json& jwk) {
  std::string modulus;
  std::string exponent;
  if (!Number(jwk, "n", modulus) || !Number(jwk, "e", exponent)) return nullptr;
  const auto n = ToBignum(modulus);
  const auto e = ToBignum(exponent);
  bssl::UniquePtr<RSA> rsa(RSA_new());
  if (!n || !e || !rsa || BN_num_bits(n.get()) < kMinRsaBits ||
      BN_num_bits(n.get()) > kMaxRsaBits || BN_num_bits(e.get()) > kMaxExponentBits ||
      !BN_is_odd(e.get()) || BN_is_one(e.get()) || !BN_is_odd(n.get())) {
    return nullptr;
  }
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  if (!key || !RSA_set0_key(rsa.get(), BN_dup(n.get()), BN_dup(e.get()), nullptr) ||
      !EVP_PKEY_set1_RSA(key.get(), rsa.get())) {
    return nullptr;
  }
  return key;
}

bssl::UniquePtr<EVP_PKEY> EcKey(const json& jwk, int curve, size_t scalar) {
  std::string x;
  std::string y;
  if (!Number(jwk, "x", x) || !Number(jwk, "y", y)) return nullptr;
  if (x.size() != scalar || y.size() != scalar) return nullptr;
  const auto bn_x = ToBignum(x);
  const auto bn_y = ToBignum(y);
  bssl::UniquePtr<EC_KEY> ec(EC_KEY_new_by_curve_name(curve));
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  // Refuses a point that is not on the curve.
  if (!bn_x || !bn_y || !ec || !key ||
      !EC_KEY_set_public_key_affine_coordinates(ec.get(), bn_x.get(), bn_y.get()) ||
      !EVP_PKEY_set1_EC_KEY(key.get(), ec.get())) {
    return nullptr;
  }
  return key;
}

bssl::UniquePtr<EVP_PKEY> EdKey(const json& jwk) {
  std::string x;
  if (!Number(jwk, "x", x)) return nullptr;
  return bssl::UniquePtr<EVP_PKEY>(EVP_PKEY_new_raw_public_key(
      EVP_PKEY_ED25519, nullptr, reinterpret_cast<const uint8_t*>(x.data()), x.size()));
}

// Whether the key may verify at all, by "use" and "key_ops".
bool IsForSignatures(const json& jwk) {
  if (const auto use = jwk.find("use"); use != jwk.end() && *use != "sig") return false;
  const auto operations = jwk.find("key_ops");
  if (operations == jwk.end()) return true;
  return operations->is_array() &&
         std::find(operations->begin(), operations->end(), "verify") != operations->end();
}

bool VerifyEcdsa(EVP_PKEY* key, const AlgorithmTraits& traits, absl::string_view signed_part,
                 absl::string_view signature) {
  if (signature.size() != 2 * traits.scalar) return false;
  uint8_t digest[EVP_MAX_MD_SIZE];
  unsigned digest_size = 0;
  bssl::UniquePtr<ECDSA_SIG> parsed(ECDSA_SIG_new());
  const auto* bytes = reinterpret_cast<const uint8_t*>(signature.data());
  return parsed && BN_bin2bn(bytes, traits.scalar, parsed->r) != nullptr &&
         BN_bin2bn(bytes + traits.scalar, traits.scalar, parsed->s) != nullptr &&
         EVP_Digest(signed_part.data(), signed_part.size(), digest, &digest_size, traits.digest(),
                    nullptr) == 1 &&
         ECDSA_do_verify(digest, digest_size, parsed.get(), EVP_PKEY_get0_EC_KEY(key)) == 1;
}

bool VerifyOther(EVP_PKEY* key, Algorithm algorithm, const AlgorithmTraits& traits,
                 absl::string_view signed_part, absl::string_view signature) {
  bssl::ScopedEVP_MD_CTX context;
  EVP_PKEY_CTX* padding = nullptr;
  const EVP_MD* digest = traits.digest == nullptr ? nullptr : traits.digest();
  if (!EVP_DigestVerifyInit(context.get(), &padding, digest, nullptr, key)) return false;
  // RFC 7518 §3.5: a salt as long as the digest.
  if (algorithm == Algorithm::kPs256 &&
      (!EVP_PKEY_CTX_set_rsa_padding(padding, RSA_PKCS1_PSS_PADDING) ||
       !EVP_PKEY_CTX_set_rsa_pss_saltlen(padding, -1))) {
    return false;
  }
  return EVP_DigestVerify(context.get(), reinterpret_cast<const uint8_t*>(signature.data()),
                          signature.size(), reinterpret_cast<const uint8_t*>(signed_part.data()),
                          signed_part.size()) == 1;
}

}  // namespace

struct KeySet::Key {
  bssl::UniquePtr<EVP_PKEY> key;
  KeyType type;
  std::string id;
  std::string algorithm;  // When the key is for one only.
};

bool AlgorithmOf(absl::string_view name, Algorithm& algorithm) {
  for (size_t i = 0; i < std::size(kTraits); ++i) {
    if (kTraits[i].name != name) continue;
    algorithm = static_cast<Algorithm>(i);
    return true;
  }
  return false;
}

KeySet::KeySet(std::vector<Key> keys) : keys_(std::move(keys)) {}
KeySet::~KeySet() = default;
size_t KeySet::size() const { return keys_.size(); }

absl::StatusOr<std::shared_ptr<const KeySet>> KeySet::Parse(absl::string_view text) {
  if (text.size() > kMaxKeySetBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("the key set has ", text.size(), " bytes; at most ", kMaxKeySetBytes));
  }
  bool too_deep = false;
  const auto watch = [&too_deep](int depth, json::parse_event_t, const json&) {
    too_deep |= depth > kMaxDepth;
    return !too_deep;
  };
  const json document = json::parse(text.begin(), text.end(), watch, /*allow_exceptions=*/false);
  const auto listed = document.is_object() ? document.find("keys") : document.end();
  if (too_deep || !document.is_object() || listed == document.end() || !listed->is_array()) {
    return absl::InvalidArgumentError(
        R"(the key set is not a JSON object with a list "keys" (RFC 7517))");
  }
  if (listed->size() > kMaxKeys) {
    return absl::InvalidArgumentError(
        absl::StrCat("the key set has ", listed->size(), " keys; at most ", kMaxKeys));
  }
  std::vector<Key> keys;
  for (const json& jwk : *listed) {
    const std::string* type = jwk.is_object() ? Text(jwk, "kty") : nullptr;
    if (type == nullptr || !IsForSignatures(jwk)) continue;
    const std::string* curve = Text(jwk, "crv");
    Key key;
    if (*type == "RSA") {
      key.type = KeyType::kRsa;
      key.key = RsaKey(jwk);
    } else if (*type == "EC" && curve != nullptr && *curve == "P-256") {
      key.type = KeyType::kP256;
      key.key = EcKey(jwk, NID_X9_62_prime256v1, 32);
    } else if (*type == "EC" && curve != nullptr && *curve == "P-384") {
      key.type = KeyType::kP384;
      key.key = EcKey(jwk, NID_secp384r1, 48);
    } else if (*type == "OKP" && curve != nullptr && *curve == "Ed25519") {
      key.type = KeyType::kEd25519;
      key.key = EdKey(jwk);
    }
    if (key.key == nullptr) continue;
    if (const std::string* id = Text(jwk, "kid")) key.id = *id;
    if (const std::string* algorithm = Text(jwk, "alg")) key.algorithm = *algorithm;
    keys.push_back(std::move(key));
  }
  ERR_clear_error();
  if (keys.empty()) {
    return absl::InvalidArgumentError(
        "the key set holds no key that can be used: RSA of 2048 to 8192 bits, P-256, P-384 or "
        "Ed25519, for signatures");
  }
  return std::shared_ptr<const KeySet>(new KeySet(std::move(keys)));
}

KeySet::Verdict KeySet::Verify(Algorithm algorithm, absl::string_view key_id,
                               absl::string_view signed_part, absl::string_view signature) const {
  const AlgorithmTraits& traits = TraitsOf(algorithm);
  Verdict verdict = Verdict::kNoKey;
  for (const Key& key : keys_) {
    if (key.type != traits.key_type) continue;
    if (!key_id.empty() && !key.id.empty() && key.id != key_id) continue;
    if (!key.algorithm.empty() && key.algorithm != traits.name) continue;
    verdict = Verdict::kBadSignature;
    const bool good = traits.scalar > 0
                          ? VerifyEcdsa(key.key.get(), traits, signed_part, signature)
                          : VerifyOther(key.key.get(), algorithm, traits, signed_part, signature);
    if (good) return Verdict::kGood;
  }
  ERR_clear_error();
  return verdict;
}

}  // namespace kith::jwt
