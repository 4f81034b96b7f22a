// A connection's peer certificate in the form that policies compare with. Made when the first of
// them asks, and kept: a request costs nothing.
// Threads: the worker's loop. Owns: the text that its view points into. Errors: a certificate that
// cannot be read whole gives no view, so that what asks for it takes the answer that lets less
// through.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/types/optional.h"
#include "source/policy/request.h"
#include "source/tls/peer_certificate.h"

namespace kith::proxy {

class PeerCertificate {
 public:
  explicit PeerCertificate(const tls::Peer& peer);
  PeerCertificate(const PeerCertificate&) = delete;
  PeerCertificate& operator=(const PeerCertificate&) = delete;

  const policy::CertificateView* view() const { return attributes_ ? &view_ : nullptr; }

 private:
  using Views = std::vector<absl::string_view>;

  const absl::optional<tls::CertificateAttributes> attributes_;
  Views common_names_, organizations_, units_, dns_names_;
  std::vector<std::pair<absl::string_view, absl::string_view>> extensions_;
  policy::CertificateView view_;
};

}  // namespace kith::proxy
