#include "test/jwt/token_maker.h"

#include <openssl/bn.h>
#include <openssl/digest.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/ecdsa.h>
#include <openssl/nid.h>
#include <openssl/rsa.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "source/base/check.h"

namespace kith::test {
namespace {

bssl::UniquePtr<EVP_PKEY> Made(int id, int rsa_bits, int curve) {
  bssl::UniquePtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_id(id, nullptr));
  EVP_PKEY* key = nullptr;
  KITH_CHECK(context && EVP_PKEY_keygen_init(context.get()), "a key can be made");
  if (rsa_bits > 0) EVP_PKEY_CTX_set_rsa_keygen_bits(context.get(), rsa_bits);
  if (curve != 0) EVP_PKEY_CTX_set_ec_paramgen_curve_nid(context.get(), curve);
  KITH_CHECK(EVP_PKEY_keygen(context.get(), &key), "a key can be made");
  return bssl::UniquePtr<EVP_PKEY>(key);
}

bssl::UniquePtr<EVP_PKEY> Make(TokenMaker::Key kind) {
  switch (kind) {
    case TokenMaker::Key::kRsa2048:
      return Made(EVP_PKEY_RSA, 2048, 0);
    case TokenMaker::Key::kRsa1024:
      return Made(EVP_PKEY_RSA, 1024, 0);
    case TokenMaker::Key::kP256:
      return Made(EVP_PKEY_EC, 0, NID_X9_62_prime256v1);
    case TokenMaker::Key::kP384:
      return Made(EVP_PKEY_EC, 0, NID_secp384r1);
    case TokenMaker::Key::kEd25519:
      break;
  }
  return Made(EVP_PKEY_ED25519, 0, 0);
}

std::string Encoded(const BIGNUM* number, size_t size) {
  std::string bytes(size, '\0');
  KITH_CHECK(BN_bn2bin_padded(reinterpret_cast<uint8_t*>(bytes.data()), size, number), "it fits");
  return absl::WebSafeBase64Escape(bytes);
}

}  // namespace

TokenMaker::TokenMaker(Key kind, std::string key_id)
    : kind_(kind), id_(std::move(key_id)), key_(Make(kind)) {}

std::string TokenMaker::Jwk(absl::string_view more) const {
  std::string out = absl::StrCat(R"({"kid":")", id_, "\"", more);
  if (kind_ == Key::kRsa2048 || kind_ == Key::kRsa1024) {
    const RSA* rsa = EVP_PKEY_get0_RSA(key_.get());
    absl::StrAppend(&out, R"(,"kty":"RSA","n":")",
                    Encoded(RSA_get0_n(rsa), BN_num_bytes(RSA_get0_n(rsa))), R"(","e":")",
                    Encoded(RSA_get0_e(rsa), BN_num_bytes(RSA_get0_e(rsa))), "\"}");
  } else if (kind_ == Key::kEd25519) {
    uint8_t raw[32];
    size_t size = sizeof(raw);
    KITH_CHECK(EVP_PKEY_get_raw_public_key(key_.get(), raw, &size), "Ed25519 has a public key");
    absl::StrAppend(
        &out, R"(,"kty":"OKP","crv":"Ed25519","x":")",
        absl::WebSafeBase64Escape(absl::string_view(reinterpret_cast<const char*>(raw), size)),
        "\"}");
  } else {
    const size_t scalar = kind_ == Key::kP256 ? 32 : 48;
    const EC_KEY* ec = EVP_PKEY_get0_EC_KEY(key_.get());
    bssl::UniquePtr<BIGNUM> x(BN_new());
    bssl::UniquePtr<BIGNUM> y(BN_new());
    KITH_CHECK(EC_POINT_get_affine_coordinates_GFp(
                   EC_KEY_get0_group(ec), EC_KEY_get0_public_key(ec), x.get(), y.get(), nullptr),
               "a public key is a point");
    absl::StrAppend(&out, R"(,"kty":"EC","crv":")", kind_ == Key::kP256 ? "P-256" : "P-384",
                    R"(","x":")", Encoded(x.get(), scalar), R"(","y":")", Encoded(y.get(), scalar),
                    "\"}");
  }
  return out;
}

std::string TokenMaker::Jwks(absl::string_view more) const {
  return absl::StrCat(R"({"keys":[)", Jwk(more), "]}");
}

std::string TokenMaker::Signature(absl::string_view algorithm, absl::string_view text) const {
  const EVP_MD* digest = algorithm == "RS512"                           ? EVP_sha512()
                         : algorithm == "RS384" || algorithm == "ES384" ? EVP_sha384()
                                                                        : EVP_sha256();
  if (kind_ == Key::kP256 || kind_ == Key::kP384) {
    uint8_t hash[EVP_MAX_MD_SIZE];
    unsigned hash_size = 0;
    EVP_Digest(text.data(), text.size(), hash, &hash_size, digest, nullptr);
    bssl::UniquePtr<ECDSA_SIG> made(
        ECDSA_do_sign(hash, hash_size, EVP_PKEY_get0_EC_KEY(key_.get())));
    const size_t scalar = kind_ == Key::kP256 ? 32 : 48;
    std::string bytes(2 * scalar, '\0');
    auto* out = reinterpret_cast<uint8_t*>(bytes.data());
    KITH_CHECK(made && BN_bn2bin_padded(out, scalar, made->r) &&
                   BN_bn2bin_padded(out + scalar, scalar, made->s),
               "a signature can be made");
    return bytes;
  }
  bssl::ScopedEVP_MD_CTX context;
  EVP_PKEY_CTX* padding = nullptr;
  KITH_CHECK(EVP_DigestSignInit(context.get(), &padding, kind_ == Key::kEd25519 ? nullptr : digest,
                                nullptr, key_.get()),
             "a signature can be begun");
  if (algorithm == "PS256") {
    EVP_PKEY_CTX_set_rsa_padding(padding, RSA_PKCS1_PSS_PADDING);
    EVP_PKEY_CTX_set_rsa_pss_saltlen(padding, -1);
  }
  size_t size = 1024;
  std::string bytes(size, '\0');
  KITH_CHECK(EVP_DigestSign(context.get(), reinterpret_cast<uint8_t*>(bytes.data()), &size,
                            reinterpret_cast<const uint8_t*>(text.data()), text.size()),
             "a signature can be made");
  bytes.resize(size);
  return bytes;
}

std::string TokenMaker::SignWithHeader(absl::string_view header, absl::string_view payload) const {
  const size_t at = header.find(R"("alg":")");
  const absl::string_view algorithm = at == absl::string_view::npos ? "" : header.substr(at + 7, 5);
  const std::string text =
      absl::StrCat(absl::WebSafeBase64Escape(header), ".", absl::WebSafeBase64Escape(payload));
  return absl::StrCat(text, ".", absl::WebSafeBase64Escape(Signature(algorithm, text)));
}

std::string TokenMaker::Sign(absl::string_view algorithm, absl::string_view payload) const {
  return SignWithHeader(
      absl::StrCat(R"({"alg":")", algorithm, R"(","kid":")", id_, R"(","typ":"JWT"})"), payload);
}

}  // namespace kith::test
