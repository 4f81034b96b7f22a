// What this control plane tells other trust domains: its own roots as a SPIFFE bundle, at /bundle
// of the monitoring address and, with an X509-SVID of its own, over HTTPS. Threads: the loop's.
// Owns: the HTTPS server, its key (in memory only) and the text that is served. Loop and authority
// are borrowed and outlive it. Errors: Create() when the address cannot be bound or no certificate
// be had; later ones are logged, and what is served stays.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "kith/mesh/v1/resources.pb.h"
#include "source/base/clock.h"
#include "source/base/socket_address.h"
#include "source/controlplane/ca/authority.h"
#include "source/controlplane/https_endpoint.h"
#include "source/controlplane/route.h"
#include "source/event/loop.h"
#include "source/event/timer.h"
#include "source/tls/context.h"

namespace kith::controlplane {

class BundleEndpoint {
 public:
  struct Settings {
    absl::optional<base::SocketAddress> address;  // Of HTTPS; none: not served there.
    absl::Duration refresh_hint = absl::Minutes(5);
  };
  struct Options {
    Settings settings;
    const CertificateAuthority* authority = nullptr;
    std::vector<std::string> server_names;
    const base::Clock* clock = &base::Clock::System();
    absl::Duration lifetime = absl::Hours(24);  // Of the certificate, renewed at half of it.
  };
  static absl::StatusOr<std::unique_ptr<BundleEndpoint>> Create(event::Loop& loop, Options options);
  BundleEndpoint(const BundleEndpoint&) = delete;
  BundleEndpoint& operator=(const BundleEndpoint&) = delete;

  // What is served from here on; the certificate is renewed with it.
  void Set(const mesh::v1::TrustBundle& bundle);
  // GET /bundle. The endpoint must outlive it.
  Route BundleRoute();
  // Of HTTPS.
  absl::optional<base::SocketAddress> local() const;

 private:
  BundleEndpoint(event::Loop& loop, Options options);
  absl::Status Renew();
  void Check();

  const Options options_;
  std::string text_;
  std::shared_ptr<const tls::Context> context_;  // Null where HTTPS is not served.
  absl::Time renew_at_ = absl::InfinitePast();
  absl::Time renewed_at_ = absl::InfinitePast();
  event::Timer timer_;
  std::unique_ptr<HttpsEndpoint> server_;
};

}  // namespace kith::controlplane
