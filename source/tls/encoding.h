// Certificates and keys in the forms that others carry them in: DER one after another (the SPIFFE
// Workload API, CRLs' neighbours) and PKCS#12 containers, to and from PEM.
// Threads: any; pure. Owns: nothing; what it returns may hold a private key and is never logged.
// Errors: INVALID_ARGUMENT that says what the bytes are not.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "source/tls/credentials.h"

namespace kith::tls {

// One block of PEM around any DER.
std::string PemBlock(absl::string_view label, absl::string_view der);

// DER elements one after another as one PEM block each. Only their frames are looked at: whether
// they are certificates is for whoever parses the PEM.
absl::StatusOr<std::string> CertificatesFromDer(absl::string_view der);
// Certificates in PEM, at most 1 MiB of them, as DER one after another.
absl::StatusOr<std::string> CertificatesToDer(absl::string_view pem);

// Unencrypted PKCS#8.
absl::StatusOr<std::string> KeyToDer(const PrivateKey& key);
absl::StatusOr<std::shared_ptr<const PrivateKey>> KeyFromDer(absl::string_view der);

struct KeyAndChain {
  std::shared_ptr<const PrivateKey> key;
  std::string chain_pem;  // The key's certificate first, then each one's issuer.
};
// A PKCS#12 container with one key; at most 64 KiB. Certificates that are not in the chain of the
// key's own are left out, and so is a self-signed one at its end.
absl::StatusOr<KeyAndChain> ReadPkcs12(absl::string_view container, const std::string& password);

}  // namespace kith::tls
