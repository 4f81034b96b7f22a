// The webhooks' port: HTTPS with a certificate of Kith's own authority, renewed without a restart.
// Threads: the loop's; the server answers on threads of its own and counts on the loop.
// Owns: the server and a timer. Loop, metrics, mesh and the certificate's keeper must outlive it.
// Errors: Create() when the port cannot be bound. A renewed certificate that cannot be read is
// logged and tried again; the one before stays in use.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "source/base/socket_address.h"
#include "source/controlplane/ca/serving_certificate.h"
#include "source/controlplane/webhook/admission.h"
#include "source/event/loop.h"
#include "source/event/timer.h"
#include "source/https/https_server.h"
#include "source/telemetry/metrics.h"

namespace kith::controlplane {

class Webhook {
 public:
  struct Options {
    base::SocketAddress address;
    inject::Options injection;
    policy::PolicySet::Options policy;
    std::vector<std::string> federated_trust_domains;
    const LatestMesh* mesh = nullptr;
    const ServingCertificate* certificate = nullptr;
    telemetry::Metrics* metrics = nullptr;
  };
  static absl::StatusOr<std::unique_ptr<Webhook>> Create(event::Loop& loop, Options options);
  Webhook(const Webhook&) = delete;
  Webhook& operator=(const Webhook&) = delete;

  const base::SocketAddress& local() const { return server_->local(); }

 private:
  Webhook(event::Loop& loop, const ServingCertificate& certificate, telemetry::Shard& counters);
  // Takes a certificate that was renewed since the last time.
  absl::Status TakeCertificate();

  event::Loop& loop_;
  const ServingCertificate& certificate_;
  telemetry::Shard& counters_;
  std::string serial_;  // Of the one in use.
  std::shared_ptr<const https::ServerTls> tls_;
  event::Timer timer_;
  std::unique_ptr<https::HttpsServer> server_;
};

}  // namespace kith::controlplane
