#include "source/x509/signing_request.h"

#include <openssl/bytestring.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/obj.h>
#include <openssl/x509.h>

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "source/x509/crypto.h"

namespace kith::x509 {
namespace {

// RFC 2986 §4, as far as it is looked at.
struct Pkcs10 {
  CBS whole;
  CBS to_be_signed;     // CertificationRequestInfo, with its frame.
  CBS public_key_info;  // SubjectPublicKeyInfo, with its frame.
  CBS algorithm;        // The object identifier of the signature's.
  CBS parameters;       // What follows it in its SEQUENCE.
  CBS signature;
};

absl::Status Bad(absl::StatusCode code, absl::string_view message) {
  ERR_clear_error();
  return absl::Status(code, absl::StrCat("certificate signing request: ", message));
}

// Empty when the first block is not one of a request. Microsoft's tools write the longer label.
std::string DerFromPem(absl::string_view pem) {
  constexpr absl::string_view kBegin = "-----BEGIN ";
  const size_t begin = pem.find(kBegin);
  if (begin == absl::string_view::npos) return "";
  for (const absl::string_view label :
       {"CERTIFICATE REQUEST-----", "NEW CERTIFICATE REQUEST-----"}) {
    absl::string_view body = pem.substr(begin + kBegin.size());
    if (!absl::ConsumePrefix(&body, label)) continue;
    const size_t end = body.find(absl::StrCat("-----END ", label));
    std::string der;
    // Headers, which only encryption needs, are no base64 either.
    if (end == absl::string_view::npos || !absl::Base64Unescape(body.substr(0, end), &der)) {
      return "";
    }
    return der;
  }
  return "";
}

// Whether `der` is one request and nothing else.
bool Split(absl::string_view der, Pkcs10& parts) {
  CBS rest;
  CBS_init(&rest, reinterpret_cast<const uint8_t*>(der.data()), der.size());
  CBS sequence;
  CBS info;
  CBS algorithm;
  uint64_t version = 0;
  if (!CBS_get_asn1_element(&rest, &parts.whole, CBS_ASN1_SEQUENCE) || CBS_len(&rest) != 0) {
    return false;
  }
  CBS frame = parts.whole;
  if (!CBS_get_asn1(&frame, &sequence, CBS_ASN1_SEQUENCE) ||
      !CBS_get_asn1_element(&sequence, &parts.to_be_signed, CBS_ASN1_SEQUENCE) ||
      !CBS_get_asn1(&sequence, &algorithm, CBS_ASN1_SEQUENCE) ||
      !CBS_get_asn1(&algorithm, &parts.algorithm, CBS_ASN1_OBJECT) ||
      !CBS_get_asn1(&sequence, &parts.signature, CBS_ASN1_BITSTRING) || CBS_len(&sequence) != 0) {
    return false;
  }
  parts.parameters = algorithm;
  uint8_t unused_bits = 0;
  if (!CBS_get_u8(&parts.signature, &unused_bits) || unused_bits != 0) return false;
  frame = parts.to_be_signed;
  constexpr unsigned kAttributes = CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 0;
  return CBS_get_asn1(&frame, &info, CBS_ASN1_SEQUENCE) && CBS_get_asn1_uint64(&info, &version) &&
         version == 0 && CBS_get_asn1(&info, nullptr, CBS_ASN1_SEQUENCE) &&
         CBS_get_asn1_element(&info, &parts.public_key_info, CBS_ASN1_SEQUENCE) &&
         // Without attributes it is still there, by the RFC; some leave it out.
         CBS_get_optional_asn1(&info, nullptr, nullptr, kAttributes) && CBS_len(&info) == 0;
}

bool AbsentOrNull(CBS parameters) {
  CBS null;
  return CBS_len(&parameters) == 0 || (CBS_get_asn1(&parameters, &null, CBS_ASN1_NULL) &&
                                       CBS_len(&null) == 0 && CBS_len(&parameters) == 0);
}

// RSA-PSS has parameters that only BoringSSL's X509_REQ reads.
bool IsSignedWithPss(const Pkcs10& parts, EVP_PKEY* key) {
  const uint8_t* cursor = CBS_data(&parts.whole);
  const bssl::UniquePtr<X509_REQ> request(d2i_X509_REQ(
      nullptr, &cursor, static_cast<long>(CBS_len(&parts.whole))));  // NOLINT: its type
  return request != nullptr && X509_REQ_verify(request.get(), key) == 1;
}

bool IsSignedBy(const Pkcs10& parts, EVP_PKEY* key) {
  const int algorithm = OBJ_cbs2nid(&parts.algorithm);
  int digest = NID_undef;
  int key_type = NID_undef;
  if (!OBJ_find_sigid_algs(algorithm, &digest, &key_type) || key_type != EVP_PKEY_id(key)) {
    return false;
  }
  if (algorithm == NID_rsassaPss) return IsSignedWithPss(parts, key);
  // Ed25519 brings its own digest.
  const EVP_MD* const md = digest == NID_undef ? nullptr : EVP_get_digestbynid(digest);
  const bool parameters_fit =
      digest == NID_undef ? CBS_len(&parts.parameters) == 0 : AbsentOrNull(parts.parameters);
  if (!parameters_fit || (md == nullptr && algorithm != NID_ED25519)) return false;
  bssl::ScopedEVP_MD_CTX context;
  return EVP_DigestVerifyInit(context.get(), nullptr, md, nullptr, key) == 1 &&
         EVP_DigestVerify(context.get(), CBS_data(&parts.signature), CBS_len(&parts.signature),
                          CBS_data(&parts.to_be_signed), CBS_len(&parts.to_be_signed)) == 1;
}

// As the certificate is to hold it. A point that came compressed is written out (RFC 5480 §2.2:
// that is the form everybody must read); writing it anew in any case would cost an inversion.
std::string Canonical(const CBS& info, const EVP_PKEY* key) {
  constexpr uint8_t kUncompressed = 4;
  const absl::string_view der(reinterpret_cast<const char*>(CBS_data(&info)), CBS_len(&info));
  const absl::string_view bits = PublicKeyBits(der);
  if (EVP_PKEY_id(key) == EVP_PKEY_EC && (bits.empty() || bits[0] != kUncompressed)) {
    return PublicKeyInfo(key);
  }
  return std::string(der);
}

}  // namespace

absl::StatusOr<SigningRequest> ParseSigningRequest(absl::string_view request) {
  if (request.empty())
    return Bad(absl::StatusCode::kInvalidArgument, "there is none; send one in PEM");
  if (request.size() > kMaxSigningRequest) {
    return Bad(absl::StatusCode::kOutOfRange,
               absl::StrCat(request.size(), " bytes; at most ", kMaxSigningRequest, " are read"));
  }
  // DER begins with a SEQUENCE, a byte that no PEM text begins with.
  const std::string der = request[0] == '\x30' ? std::string(request) : DerFromPem(request);
  if (der.empty()) {
    return Bad(absl::StatusCode::kInvalidArgument, "no PEM block CERTIFICATE REQUEST found");
  }
  Pkcs10 parts;
  if (!Split(der, parts)) return Bad(absl::StatusCode::kInvalidArgument, "not valid PKCS#10");
  SigningRequest result;
  CBS info = parts.public_key_info;
  result.key.reset(EVP_parse_public_key(&info));
  if (!result.key) return Bad(absl::StatusCode::kInvalidArgument, "its public key cannot be read");
  // Before the signature: a key of absurd size must not cost its verification.
  absl::StatusOr<std::string> type = AcceptedKeyType(result.key.get());
  if (!type.ok()) return Bad(absl::StatusCode::kFailedPrecondition, type.status().message());
  result.key_type = *std::move(type);
  if (!IsSignedBy(parts, result.key.get())) {
    return Bad(absl::StatusCode::kPermissionDenied, "it is not signed by the key it carries");
  }
  result.public_key_info = Canonical(parts.public_key_info, result.key.get());
  return result;
}

}  // namespace kith::x509
