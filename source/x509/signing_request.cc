#include "source/x509/signing_request.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "source/x509/crypto.h"

namespace kith::x509 {
namespace {

absl::Status Bad(absl::StatusCode code, absl::string_view message) {
  ERR_clear_error();
  return absl::Status(code, absl::StrCat("certificate signing request: ", message));
}

// Empty when it is no PEM of a request.
std::string DerFromPem(absl::string_view pem) {
  bssl::UniquePtr<BIO> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  char* name = nullptr;
  char* header = nullptr;
  uint8_t* bytes = nullptr;
  long size = 0;
  if (!bio || !PEM_read_bio(bio.get(), &name, &header, &bytes, &size)) return "";
  bssl::UniquePtr<char> owned_name(name);
  bssl::UniquePtr<char> owned_header(header);
  bssl::UniquePtr<uint8_t> owned_bytes(bytes);
  absl::string_view type(name);
  if (type != PEM_STRING_X509_REQ && type != PEM_STRING_X509_REQ_OLD) return "";
  return std::string(reinterpret_cast<char*>(bytes), static_cast<size_t>(size));
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
  std::string der = request[0] == '\x30' ? std::string(request) : DerFromPem(request);
  if (der.empty()) {
    return Bad(absl::StatusCode::kInvalidArgument, "no PEM block CERTIFICATE REQUEST found");
  }
  const uint8_t* cursor = reinterpret_cast<const uint8_t*>(der.data());
  const uint8_t* end = cursor + der.size();
  bssl::UniquePtr<X509_REQ> parsed(d2i_X509_REQ(nullptr, &cursor, static_cast<long>(der.size())));
  if (!parsed) return Bad(absl::StatusCode::kInvalidArgument, "not valid PKCS#10");
  if (cursor != end)
    return Bad(absl::StatusCode::kInvalidArgument, "there are bytes after its end");
  SigningRequest result;
  result.key.reset(X509_REQ_get_pubkey(parsed.get()));
  if (!result.key) return Bad(absl::StatusCode::kInvalidArgument, "its public key cannot be read");
  // Before the signature: a key of absurd size must not cost its verification.
  absl::StatusOr<std::string> type = AcceptedKeyType(result.key.get());
  if (!type.ok()) return Bad(absl::StatusCode::kFailedPrecondition, type.status().message());
  result.key_type = *std::move(type);
  if (X509_REQ_verify(parsed.get(), result.key.get()) != 1) {
    return Bad(absl::StatusCode::kPermissionDenied, "it is not signed by the key it carries");
  }
  return result;
}

}  // namespace kith::x509
