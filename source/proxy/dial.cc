#include "source/proxy/dial.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "source/telemetry/reason_status.h"

namespace kith::proxy {

using telemetry::Reason;

absl::string_view ConnectionFacts::peer_principal() const {
  return peer ? absl::string_view(peer->id.text()) : absl::string_view();
}
absl::string_view ConnectionFacts::peer_serial() const {
  return peer ? absl::string_view(peer->leaf.serial) : absl::string_view();
}
absl::string_view ConnectionFacts::own_principal() const {
  return context ? absl::string_view(context->identity().id().text()) : absl::string_view();
}
absl::string_view ConnectionFacts::own_serial() const {
  return context ? absl::string_view(context->identity().leaf().serial) : absl::string_view();
}

const policy::CertificateView* ConnectionFacts::certificate() const {
  if (!peer) return nullptr;
  if (certificate_ == nullptr) certificate_ = std::make_shared<const PeerCertificate>(*peer);
  return certificate_->view();
}

absl::Duration ConnectionFacts::Validity(const base::Clock& clock) const {
  if (!context) return absl::InfiniteDuration();
  const absl::Time now = clock.Now();
  absl::Time end = context->identity().not_after();
  if (peer) end = std::min(end, peer->not_after);
  const absl::Time broken_until = context->rules().break_glass_until;
  if (broken_until > now) end = std::max(end, broken_until);
  return std::min(end - now, context->rules().max_connection_age);
}

absl::Status ConnectionFacts::Expired(const base::Clock& clock) const {
  const absl::Duration age = context->rules().max_connection_age;
  const bool by_age = age <= Validity(clock);
  const bool by_peer = peer && peer->not_after < context->identity().not_after();
  const std::string why =
      by_age ? absl::StrCat("its maximum age of ", absl::FormatDuration(age), " is reached")
             : absl::StrCat(by_peer ? "the peer's" : "our", " certificate has ended");
  return telemetry::WithReason(absl::DeadlineExceededError(why), Reason::kConnectionExpired);
}

absl::StatusOr<tls::TlsStream::ClientOptions> OriginationOptions(
    const mesh::TlsOrigination& outside, const Origination* files) {
  if (files == nullptr || files->context == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("the files of the DestinationRule for ", outside.sni, ": ",
                     files == nullptr ? "not read yet" : files->error));
  }
  tls::TlsStream::ClientOptions options;
  options.upstream = files->context;
  options.sni = outside.sni;
  return options;
}

Dial::Dial(WorkerState& worker, const mesh::Endpoint& endpoint, Options options,
           absl::AnyInvocable<void(Result)> done)
    : worker_(worker),
      tls_(endpoint.tls),
      expected_(endpoint.principals),
      alpn_(std::move(options.alpn)),
      sni_(options.sni),
      outside_(endpoint.origination),
      origination_(std::move(options.origination)),
      done_(std::move(done)) {
  const absl::string_view hint = tls_ == mesh::EndpointTls::kMutual
                                     ? "is the sidecar of that workload running?"
                                     : "is the application listening there?";
  connector_ = net::Connect(
      worker_.loop, endpoint.address, options.connect_timeout, hint,
      [this](absl::StatusOr<std::unique_ptr<net::Stream>> stream) {
        OnConnected(std::move(stream));
      },
      endpoint.source);
}

void Dial::OnConnected(absl::StatusOr<std::unique_ptr<net::Stream>> stream) {
  worker_.observer.CountUpstreamConnect(stream.ok());
  if (!stream.ok()) {
    const bool timed_out = absl::IsDeadlineExceeded(stream.status());
    Fail(stream.status(), timed_out ? Reason::kUpstreamTimeout : Reason::kUpstreamUnreachable);
    return;
  }
  const bool in_band = outside_ != nullptr && outside_->in_band != mesh::InBandTls::kNone;
  if (tls_ == mesh::EndpointTls::kPlaintext || in_band) {
    Result result;
    result.stream = *std::move(stream);
    std::exchange(done_, nullptr)(std::move(result));
    return;
  }
  if (outside_ != nullptr) return StartOrigination(*std::move(stream));
  context_ = worker_.tls;
  if (context_ == nullptr) {
    Fail(absl::UnavailableError("no certificate of our own yet; is the control plane reachable?"),
         Reason::kNoIdentity);
    return;
  }
  tls::TlsStream::ClientOptions options;
  options.context = context_;
  options.alpn = std::move(alpn_);
  options.sni = sni_;
  options.expected = std::move(expected_);
  options.live = worker_.live;
  StartHandshake(*std::move(stream), std::move(options));
}

void Dial::StartOrigination(std::unique_ptr<net::Stream> stream) {
  auto options = OriginationOptions(*outside_, origination_.get());
  if (!options.ok()) {
    Fail(options.status(), Reason::kUpstreamCredentials);
    return;
  }
  options->alpn = std::move(alpn_);
  sni_ = options->sni;
  StartHandshake(std::move(stream), *std::move(options));
}

void Dial::StartHandshake(std::unique_ptr<net::Stream> stream,
                          tls::TlsStream::ClientOptions options) {
  options.handshake_timeout = worker_.options.timeouts.handshake;
  handshaking_ = tls::TlsStream::Connect(
      std::move(stream), std::move(options),
      [this](const tls::HandshakeResult& handshake) { OnHandshake(handshake); });
}

void Dial::OnHandshake(const tls::HandshakeResult& handshake) {
  worker_.observer.CountHandshake(Observer::Side::kClient, handshake, context_.get());
  if (outside_ != nullptr && outside_->insecure_skip_verify && handshake.status.ok()) {
    worker_.observer.CountUnverifiedServer();
  }
  if (!handshake.status.ok()) {
    Fail(handshake.status, handshake.reason);
    return;
  }
  Result result;
  result.facts.peer = handshake.peer;
  result.facts.context = std::move(context_);
  result.facts.tls_version = handshake.version;
  result.facts.alpn = handshake.alpn;
  result.facts.sni = sni_;
  result.stream = std::move(handshaking_);
  std::exchange(done_, nullptr)(std::move(result));
}

void Dial::Fail(absl::Status status, Reason reason) {
  Result result;
  result.status = std::move(status);
  result.reason = reason;
  std::exchange(done_, nullptr)(std::move(result));
}

}  // namespace kith::proxy
