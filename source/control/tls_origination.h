// A DestinationRule's tls of mode SIMPLE or MUTUAL as the data path reads it. The control plane
// checks a rule with it before it is distributed, the sidecar makes its own of what it receives.
// Threads: any, pure. Owns: nothing.
// Errors: INVALID_ARGUMENT or UNIMPLEMENTED: "tls.field: problem".
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "source/mesh/tls_origination.h"

namespace kith::networking::v1 {
class ClientTLSSettings;
}  // namespace kith::networking::v1

namespace kith::control {

// `host`: the service's, which is the SNI unless the rule has one. `names`: the service's own
// subjectAltNames; without any, and without the rule's, the SNI is what the certificate must bear.
absl::StatusOr<mesh::TlsOrigination> TranslateTlsOrigination(
    const networking::v1::ClientTLSSettings& tls, absl::string_view host,
    const std::vector<std::string>& names);

}  // namespace kith::control
