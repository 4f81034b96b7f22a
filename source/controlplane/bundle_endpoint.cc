#include "source/controlplane/bundle_endpoint.h"

#include <utility>

#include "source/base/log.h"
#include "source/base/status.h"
#include "source/tls/credentials.h"
#include "source/tls/spiffe_bundle.h"

namespace kith::controlplane {
namespace {

// How often the wall clock is compared with the half of the certificate's lifetime.
constexpr absl::Duration kCheckInterval = absl::Seconds(10);

void Warn(absl::string_view what, const absl::Status& status) {
  base::Log(base::LogLevel::kError, "federation", what, {{"error", std::string(status.message())}});
}

}  // namespace

BundleEndpoint::BundleEndpoint(event::Loop& loop, Options options)
    : options_(std::move(options)), timer_(loop, [this] { Check(); }) {}

absl::StatusOr<std::unique_ptr<BundleEndpoint>> BundleEndpoint::Create(event::Loop& loop,
                                                                       Options options) {
  std::unique_ptr<BundleEndpoint> endpoint(new BundleEndpoint(loop, std::move(options)));
  const Settings& settings = endpoint->options_.settings;
  if (!settings.address.has_value()) return endpoint;
  KITH_RETURN_IF_ERROR(base::Annotate(endpoint->Renew(), "bundle endpoint"));
  BundleEndpoint& target = *endpoint;
  KITH_ASSIGN_OR_RETURN(
      endpoint->server_,
      HttpsEndpoint::Create(
          loop, {.address = *settings.address}, [&target] { return target.context_; },
          [routes = std::make_shared<std::vector<Route>>([&target] {
             std::vector<Route> all;
             all.push_back(target.BundleRoute());
             return all;
           }())](const http::EmbeddedRequest& request, http::EmbeddedResponder responder) {
            responder.Send(Dispatch(*routes, request, "there is"));
          }));
  endpoint->timer_.StartRepeating(kCheckInterval);
  return endpoint;
}

absl::Status BundleEndpoint::Renew() {
  const absl::Time now = options_.clock->Now();
  KITH_ASSIGN_OR_RETURN(const ServerCertificate made,
                        options_.authority->IssueServer(options_.server_names, options_.lifetime,
                                                        x509::CertificateKind::kWorkload));
  KITH_ASSIGN_OR_RETURN(std::shared_ptr<const tls::PrivateKey> key,
                        tls::PrivateKey::FromPem(made.key_pem));
  tls::Context::Options with;
  KITH_ASSIGN_OR_RETURN(with.identity, tls::Identity::Create(made.chain_pem, std::move(key)));
  KITH_ASSIGN_OR_RETURN(with.bundle,
                        tls::TrustBundle::Create({{options_.authority->trust_domain(),
                                                   options_.authority->trust_bundle_pem()}}));
  with.rules.client_certificate = tls::ClientCertificate::kNone;
  with.clock = options_.clock;
  KITH_ASSIGN_OR_RETURN(context_, tls::Context::Create(std::move(with)));
  renewed_at_ = now;
  renew_at_ = now + (made.not_after - now) / 2;
  return absl::OkStatus();
}

void BundleEndpoint::Check() {
  const absl::Time now = options_.clock->Now();
  // A clock that was set back leaves a certificate from the future, which is renewed likewise.
  if (now < renew_at_ && now >= renewed_at_) return;
  if (const absl::Status renewed = Renew(); !renewed.ok()) {
    Warn("cannot renew the bundle endpoint's certificate; the previous one stays", renewed);
  }
}

void BundleEndpoint::Set(const mesh::v1::TrustBundle& bundle) {
  auto text = tls::FormatSpiffeBundle({.roots_pem = bundle.roots(),
                                       .sequence = bundle.generation(),
                                       .refresh_hint = options_.settings.refresh_hint});
  if (!text.ok()) {
    Warn("the roots cannot be written as a SPIFFE bundle; /bundle stays as it was", text.status());
    return;
  }
  text_ = *std::move(text);
  if (server_ == nullptr) return;
  renew_at_ = absl::InfinitePast();
  Check();
}

Route BundleEndpoint::BundleRoute() {
  return {"/bundle", "GET", [this](const http::EmbeddedRequest&) {
            if (text_.empty()) return http::ErrorResponse(503, "no roots are known yet");
            return http::EmbeddedResponse{
                .content_type = "application/json", .body = text_, .headers = {}};
          }};
}

absl::optional<base::SocketAddress> BundleEndpoint::local() const {
  if (server_ == nullptr) return absl::nullopt;
  return server_->local();
}

}  // namespace kith::controlplane
