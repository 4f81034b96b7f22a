#include "source/x509/pkcs12.h"

#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/pkcs8.h>
#include <openssl/stack.h>
#include <openssl/x509.h>

#include "source/base/status.h"
#include "source/x509/crypto.h"

namespace kith::x509 {
namespace {

constexpr int kIterations = 100'000;

}  // namespace

absl::StatusOr<std::string> MakePkcs12(const Pkcs12Content& content, const std::string& password) {
  KITH_ASSIGN_OR_RETURN(auto chain, ParseCertificatesPem(content.chain_pem));
  KITH_ASSIGN_OR_RETURN(auto key, ParsePrivateKeyPem(content.key_pem));
  if (!X509_check_private_key(chain.front().get(), key.get())) {
    return CryptoError("the key is not that of the first certificate",
                       absl::StatusCode::kInvalidArgument);
  }
  bssl::UniquePtr<STACK_OF(X509)> others(sk_X509_new_null());
  if (!others) return CryptoError("make a PKCS#12 file");
  for (size_t i = 1; i < chain.size(); i++) {
    if (!bssl::PushToStack(others.get(), bssl::UpRef(chain[i]))) {
      return CryptoError("make a PKCS#12 file");
    }
  }
  bssl::UniquePtr<PKCS12> file(
      PKCS12_create(password.c_str(), content.friendly_name.c_str(), key.get(), chain.front().get(),
                    others.get(), NID_pbe_WithSHA1And3_Key_TripleDES_CBC,
                    NID_pbe_WithSHA1And3_Key_TripleDES_CBC, kIterations, kIterations, 0));
  if (!file) return CryptoError("make a PKCS#12 file");
  uint8_t* der = nullptr;
  const int size = i2d_PKCS12(file.get(), &der);
  if (size < 0) return CryptoError("encode a PKCS#12 file");
  const bssl::UniquePtr<uint8_t> owned(der);
  return std::string(reinterpret_cast<char*>(der), static_cast<size_t>(size));
}

}  // namespace kith::x509
