// Does a server's certificate bear a name it was called by? Subject alternative names only, never
// the common name (RFC 9525).
// Threads: any; pure. Owns: nothing. Errors: UNAUTHENTICATED that says what was expected and what
// is there.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/types/span.h"

typedef struct x509_st X509;

namespace kith::tls {

// One of `names` suffices: a DNS name (the certificate's may have "*" as its whole first label), an
// IP address, or a URI, which must be equal byte for byte.
absl::Status CheckServerNames(const X509& leaf, absl::Span<const std::string> names);

}  // namespace kith::tls
