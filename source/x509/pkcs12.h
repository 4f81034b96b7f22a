// PKCS#12 files: a key, its certificate and chain under a password, as browsers, Java and other
// programs outside of the mesh take them.
// Threads: any. Owns: nothing. Errors: INVALID_ARGUMENT for PEM that is wrong or does not fit
// together. Messages never hold the key or the password.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace kith::x509 {

struct Pkcs12Content {
  std::string chain_pem;  // The certificate of the key first.
  std::string key_pem;
  std::string friendly_name;
};

// DER. Encrypted with PBE-SHA1-3DES, which is old but the one that every reader has; the password
// must be as strong as the file is exposed.
absl::StatusOr<std::string> MakePkcs12(const Pkcs12Content& content, const std::string& password);

}  // namespace kith::x509
