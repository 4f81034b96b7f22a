// Revocation over HTTP, for verifiers outside of the mesh:
//   GET /crl             DER, of the signer that issues now
//   GET /crl/<issuer>    DER, of the signer with that key identifier (hex)
//   GET /crl.pem         all of them, PEM
//   POST /ocsp           the status of certificates, RFC 6960
//   GET /ocsp/<request>  the same, the request in base64 and escaped for a URL; may be cached
// Threads: the loop's. Owns: nothing; publisher and responder must outlive the routes.
// Errors: 404; OCSP's own.
#pragma once

#include <vector>

#include "source/controlplane/ca/crl_publisher.h"
#include "source/controlplane/ca/ocsp_responder.h"
#include "source/controlplane/route.h"

namespace kith::controlplane {

std::vector<Route> RevocationStatusRoutes(const CrlPublisher& publisher, OcspResponder& responder);

}  // namespace kith::controlplane
