#include "source/controlplane/webhook/webhook.h"

#include <utility>

#include "source/base/log.h"
#include "source/base/status.h"
#include "source/config/document.h"
#include "source/telemetry/families.h"

namespace kith::controlplane {
namespace {

constexpr absl::Duration kLookInterval = absl::Seconds(1);

}  // namespace

Webhook::Webhook(event::Loop& loop, const ServingCertificate& certificate,
                 telemetry::Shard& counters)
    : loop_(loop), certificate_(certificate), counters_(counters), timer_(loop, [this] {
        if (const absl::Status taken = TakeCertificate(); !taken.ok()) {
          base::Log(base::LogLevel::kError, "webhook",
                    "the renewed certificate is not taken; the one before stays in use",
                    {{"error", std::string(taken.message())}});
        }
      }) {}

absl::StatusOr<std::unique_ptr<Webhook>> Webhook::Create(event::Loop& loop, Options options) {
  std::unique_ptr<Webhook> webhook(
      new Webhook(loop, *options.certificate, options.metrics->AddShard()));
  KITH_RETURN_IF_ERROR(webhook->TakeCertificate());
  Webhook& self = *webhook;
  auto admission = std::make_shared<const Admission>(Admission::Options{
      .injection = std::move(options.injection),
      .policy = std::move(options.policy),
      .federated_trust_domains = std::move(options.federated_trust_domains),
      .mesh = options.mesh,
      .count = [&self](absl::string_view which, absl::string_view result) {
        self.loop_.Post([&self, which = std::string(which), result = std::string(result)] {
          self.counters_.GetCounter(telemetry::kWebhookReviews, {which, result}).Add();
        });
      }});
  KITH_ASSIGN_OR_RETURN(webhook->server_, https::HttpsServer::Create(
                                              {.address = options.address, .tls = webhook->tls_},
                                              [admission](const https::HttpsQuestion& question) {
                                                return admission->Answer(question);
                                              }));
  webhook->timer_.StartRepeating(kLookInterval);
  return webhook;
}

absl::Status Webhook::TakeCertificate() {
  if (certificate_.serial() == serial_) return absl::OkStatus();
  KITH_ASSIGN_OR_RETURN(const std::string chain, config::ReadFile(certificate_.certificate_file()));
  KITH_ASSIGN_OR_RETURN(const std::string key, config::ReadFile(certificate_.key_file()));
  KITH_ASSIGN_OR_RETURN(tls_, https::ServerTls::Create(chain, key));
  if (server_ != nullptr) server_->SetTls(tls_);
  serial_ = certificate_.serial();
  return absl::OkStatus();
}

}  // namespace kith::controlplane
