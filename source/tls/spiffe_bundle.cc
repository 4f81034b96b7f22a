#include "source/tls/spiffe_bundle.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "source/base/status.h"
#include "source/tls/encoding.h"
#include "source/tls/pem.h"

namespace kith::tls {
namespace {

using nlohmann::json;

constexpr PemLimits kLimits = {kMaxSpiffeBundleBytes, 256};
constexpr int64_t kMaxRefreshSeconds = int64_t{30} * 24 * 3600;

absl::Status Bad(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("SPIFFE bundle: ", what));
}

std::string Base64Url(const std::vector<uint8_t>& bytes) {
  return absl::WebSafeBase64Escape(
      absl::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

std::string Number(const BIGNUM* number, size_t width) {
  std::vector<uint8_t> bytes(width == 0 ? BN_num_bytes(number) : width);
  if (BN_bn2bin_padded(bytes.data(), bytes.size(), number) != 1) return "";
  return Base64Url(bytes);
}

// RFC 7517 and 7518: the members that tell the key.
bool DescribeKey(const EVP_PKEY* key, json& jwk) {
  if (const RSA* rsa = EVP_PKEY_get0_RSA(key); rsa != nullptr) {
    jwk["kty"] = "RSA";
    jwk["n"] = Number(RSA_get0_n(rsa), 0);
    jwk["e"] = Number(RSA_get0_e(rsa), 0);
    return true;
  }
  const EC_KEY* ec = EVP_PKEY_get0_EC_KEY(key);
  if (ec == nullptr) return false;
  const EC_GROUP* group = EC_KEY_get0_group(ec);
  const bssl::UniquePtr<BIGNUM> x(BN_new());
  const bssl::UniquePtr<BIGNUM> y(BN_new());
  if (x == nullptr || y == nullptr ||
      EC_POINT_get_affine_coordinates_GFp(group, EC_KEY_get0_public_key(ec), x.get(), y.get(),
                                          nullptr) != 1) {
    return false;
  }
  const int curve = EC_GROUP_get_curve_name(group);
  jwk["kty"] = "EC";
  jwk["crv"] = curve == NID_X9_62_prime256v1 ? "P-256" : curve == NID_secp384r1 ? "P-384" : "P-521";
  const size_t width = (EC_GROUP_get_degree(group) + 7) / 8;
  jwk["x"] = Number(x.get(), width);
  jwk["y"] = Number(y.get(), width);
  return true;
}

absl::StatusOr<std::string> CertificateOf(const json& key) {
  const auto chain = key.find("x5c");
  if (chain == key.end() || !chain->is_array() || chain->size() != 1 ||
      !chain->front().is_string()) {
    return Bad("a key of use x509-svid has not exactly one certificate in x5c");
  }
  std::string der;
  if (!absl::Base64Unescape(chain->front().get<std::string>(), &der)) {
    return Bad("x5c is not base64");
  }
  std::string pem = PemBlock("CERTIFICATE", der);
  const auto parsed = ParseCertificates(pem, kLimits);
  if (!parsed.ok()) return base::Annotate(parsed.status(), "SPIFFE bundle: x5c");
  return pem;
}

}  // namespace

absl::StatusOr<SpiffeBundle> ParseSpiffeBundle(absl::string_view text) {
  if (text.size() > kMaxSpiffeBundleBytes) return Bad("it is over 1 MiB");
  const json document = json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!document.is_object()) return Bad("it is no JSON object");
  const auto keys = document.find("keys");
  if (keys == document.end() || !keys->is_array()) return Bad("it has no list \"keys\"");
  SpiffeBundle bundle;
  size_t count = 0;
  for (const json& key : *keys) {
    if (!key.is_object()) return Bad("a key is no object");
    const auto use = key.find("use");
    if (use == key.end() || !use->is_string() || *use != "x509-svid") continue;
    if (++count > kLimits.certificates) return Bad("it has more than 256 certificates");
    KITH_ASSIGN_OR_RETURN(const std::string pem, CertificateOf(key));
    bundle.roots_pem += pem;
  }
  if (count == 0) return Bad("it has no key of use x509-svid");
  const auto number = [&document](const char* name) -> uint64_t {
    const auto member = document.find(name);
    return member != document.end() && member->is_number_unsigned() ? member->get<uint64_t>() : 0;
  };
  bundle.sequence = number("spiffe_sequence");
  const uint64_t seconds = number("spiffe_refresh_hint");
  bundle.refresh_hint = absl::Seconds(std::min<uint64_t>(seconds, kMaxRefreshSeconds));
  return bundle;
}

absl::StatusOr<std::string> FormatSpiffeBundle(const SpiffeBundle& bundle) {
  auto roots = ParseCertificates(bundle.roots_pem, kLimits);
  if (!roots.ok()) return roots.status();
  json document = {{"keys", json::array()}};
  if (bundle.sequence != 0) document["spiffe_sequence"] = bundle.sequence;
  if (bundle.refresh_hint > absl::ZeroDuration()) {
    document["spiffe_refresh_hint"] = absl::ToInt64Seconds(bundle.refresh_hint);
  }
  for (const bssl::UniquePtr<X509>& root : *roots) {
    json jwk = {{"use", "x509-svid"}};
    const bssl::UniquePtr<EVP_PKEY> key(X509_get_pubkey(root.get()));
    if (key == nullptr || !DescribeKey(key.get(), jwk)) {
      ERR_clear_error();
      return absl::InvalidArgumentError("a root's key is neither RSA nor of a NIST curve");
    }
    KITH_ASSIGN_OR_RETURN(const std::string der, CertificatesToDer(ToPem(*root)));
    jwk["x5c"] = json::array({absl::Base64Escape(der)});
    document["keys"].push_back(std::move(jwk));
  }
  return document.dump(2) + "\n";
}

}  // namespace kith::tls
