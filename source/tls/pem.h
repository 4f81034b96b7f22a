// Certificates out of PEM, within bounds.
// Threads: any; pure. Owns: the certificates it returns.
// Errors: INVALID_ARGUMENT that counts the blocks: "certificate 2: …". Text between blocks is
// allowed, a block of another kind is not: a key among certificates is a mistake to be told.
#pragma once

#include <openssl/base.h>

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace kith::tls {

struct PemLimits {
  size_t bytes;
  size_t certificates;
};

// At least one.
absl::StatusOr<std::vector<bssl::UniquePtr<X509>>> ParseCertificates(absl::string_view pem,
                                                                     const PemLimits& limits);

std::string ToPem(const X509& certificate);

}  // namespace kith::tls
