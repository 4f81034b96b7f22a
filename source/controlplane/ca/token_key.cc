#include "source/controlplane/ca/token_key.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/sha.h>

#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "source/base/status.h"
#include "source/x509/crypto.h"

namespace kith::controlplane {
namespace {

constexpr char kFile[] = "token-key.pem";
constexpr size_t kScalar = 32;

std::string Sha256(absl::string_view text) {
  uint8_t digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const uint8_t*>(text.data()), text.size(), digest);
  return std::string(reinterpret_cast<char*>(digest), sizeof(digest));
}

// The required members of the public key as a JWK, in the order of RFC 7638 §3.
absl::StatusOr<std::string> PublicMembers(const EVP_PKEY* key) {
  // An uncompressed point: 4, then x and y.
  uint8_t point[1 + 2 * kScalar];
  const EC_KEY* ec = EVP_PKEY_get0_EC_KEY(key);
  if (EC_POINT_point2oct(EC_KEY_get0_group(ec), EC_KEY_get0_public_key(ec),
                         POINT_CONVERSION_UNCOMPRESSED, point, sizeof(point),
                         nullptr) != sizeof(point)) {
    return x509::CryptoError("encode the token key's public half");
  }
  absl::string_view x(reinterpret_cast<char*>(point) + 1, kScalar);
  absl::string_view y(reinterpret_cast<char*>(point) + 1 + kScalar, kScalar);
  return absl::StrCat(R"("crv":"P-256","kty":"EC","x":")", absl::WebSafeBase64Escape(x),
                      R"(","y":")", absl::WebSafeBase64Escape(y), "\"");
}

}  // namespace

absl::StatusOr<std::shared_ptr<const TokenKey>> TokenKey::LoadOrCreate(
    const StateDirectory& state) {
  KITH_ASSIGN_OR_RETURN(std::optional<std::string> pem, state.Read(kFile));
  bssl::UniquePtr<EVP_PKEY> key;
  if (pem) {
    absl::StatusOr<bssl::UniquePtr<EVP_PKEY>> parsed = x509::ParsePrivateKeyPem(*pem);
    absl::string_view wrong = "";
    if (!parsed.ok()) {
      wrong = parsed.status().message();
    } else if (x509::AcceptedKeyType(parsed->get()).value_or("") != "P-256") {
      wrong = "it is not a P-256 key";
    }
    if (!wrong.empty()) {
      return absl::FailedPreconditionError(
          absl::StrCat(state.File(kFile), ": ", wrong,
                       "; restore it from a backup, or remove it for a new one, which ends every "
                       "token made so far"));
    }
    key = *std::move(parsed);
  } else {
    KITH_ASSIGN_OR_RETURN(key, x509::GenerateP256Key());
    KITH_ASSIGN_OR_RETURN(std::string made, x509::PrivateKeyPem(key.get()));
    KITH_RETURN_IF_ERROR(state.Write(kFile, made, 0600));
  }
  KITH_ASSIGN_OR_RETURN(const std::string members, PublicMembers(key.get()));
  std::string id = absl::WebSafeBase64Escape(Sha256(absl::StrCat("{", members, "}")));
  KITH_ASSIGN_OR_RETURN(
      std::shared_ptr<const jwt::KeySet> verifies,
      jwt::KeySet::Parse(absl::StrCat(R"({"keys":[{"kid":")", id, "\",", members, "}]}")));
  return std::shared_ptr<const TokenKey>(
      new TokenKey(key.release(), std::move(id), std::move(verifies)));
}

TokenKey::TokenKey(EVP_PKEY* key, std::string id, std::shared_ptr<const jwt::KeySet> with)
    : key_(key), id_(std::move(id)), public_(std::move(with)) {}
TokenKey::~TokenKey() { EVP_PKEY_free(key_); }

absl::StatusOr<std::string> TokenKey::Sign(absl::string_view message) const {
  std::string digest = Sha256(message);
  bssl::UniquePtr<ECDSA_SIG> signature(ECDSA_do_sign(
      reinterpret_cast<const uint8_t*>(digest.data()), digest.size(), EVP_PKEY_get0_EC_KEY(key_)));
  std::string bytes(2 * kScalar, '\0');
  uint8_t* out = reinterpret_cast<uint8_t*>(bytes.data());
  if (!signature || !BN_bn2bin_padded(out, kScalar, signature->r) ||
      !BN_bn2bin_padded(out + kScalar, kScalar, signature->s)) {
    return x509::CryptoError("sign a token");
  }
  return bytes;
}

}  // namespace kith::controlplane
