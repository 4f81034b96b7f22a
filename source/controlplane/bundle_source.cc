#include "source/controlplane/bundle_source.h"

#include <memory>
#include <utility>

#include "source/base/spiffe_id.h"
#include "source/base/status.h"
#include "source/controlplane/keys/https_get.h"
#include "source/http/url.h"
#include "source/tls/peer.h"
#include "source/tls/spiffe_bundle.h"

namespace kith::controlplane {

absl::StatusOr<std::string> BundleSource::Fetch(const tls::TrustBundle::Domain& known,
                                                absl::Duration timeout,
                                                const base::Clock& clock) const {
  KITH_ASSIGN_OR_RETURN(const http::Url parsed, http::ParseUrl(url));
  HttpsGet get;
  get.host = parsed.host;
  get.port = parsed.port;
  get.target = parsed.target;
  // Named by whoever runs this control plane, who may well mean a private address.
  get.reach = HttpsGet::Reach::kAnywhere;
  get.ca_file = ca_file;
  get.timeout = timeout;
  get.max_bytes = tls::kMaxSpiffeBundleBytes;
  if (profile == Profile::kHttpsWeb) return get.Run();

  if (known.roots_pem.empty()) {
    return absl::FailedPreconditionError(
        "no roots are known that could vouch for it; put a first bundle into the file");
  }
  KITH_ASSIGN_OR_RETURN(const base::SpiffeId server, base::SpiffeId::Parse(server_id));
  KITH_ASSIGN_OR_RETURN(const std::shared_ptr<const tls::TrustBundle> bundle,
                        tls::TrustBundle::Create({known}));
  get.verify = [&](absl::Span<CRYPTO_BUFFER* const> chain) {
    tls::PeerVerdict verdict = tls::VerifyPeer(chain, tls::PeerRole::kServer, *bundle, clock.Now());
    if (verdict.status.ok()) tls::RequireIdentity({server}, verdict);
    return verdict.status;
  };
  return get.Run();
}

}  // namespace kith::controlplane
