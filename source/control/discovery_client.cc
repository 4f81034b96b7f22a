#include "source/control/discovery_client.h"

#include <google/protobuf/util/json_util.h>

#include <utility>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "source/base/check.h"
#include "source/base/log.h"
#include "source/base/status.h"
#include "source/base/version.h"
#include "source/control/token.h"
#include "source/telemetry/families.h"

namespace kith::control {
namespace {

constexpr absl::string_view kAttempted = "receive configuration";

std::function<double()> OrMachineRandom(std::function<double()> random) {
  if (random) return random;
  return [] { return absl::Uniform(absl::BitGen(), 0.0, 1.0); };
}

}  // namespace

DiscoveryClient::DiscoveryClient(event::Loop& loop, Channel& channel, Handler& handler,
                                 Options options)
    : loop_(loop),
      channel_(channel),
      handler_(handler),
      options_(std::move(options)),
      store_({options_.trust_domain, options_.roots_pem, options_.services, options_.rules,
              [this](std::vector<tls::TrustBundle::Domain> domains) {
                return handler_.OnTrustBundles(std::move(domains));
              }}),
      backoff_(options_.first_wait, options_.longest_wait, OrMachineRandom(options_.random)),
      timer_(loop_, [this] { Open(); }) {}

DiscoveryClient::~DiscoveryClient() = default;

void DiscoveryClient::Start() {
  report_.since = options_.clock->Now();
  SetConnected(false);
  Open();
}

void DiscoveryClient::SetNode(DiscoveryStream::Request& request) const {
  auto& node = *request.mutable_node();
  absl::string_view ip = "127.0.0.1";
  if (!options_.node.inbound().empty()) {
    const std::string& address = options_.node.inbound(0).address();
    ip = absl::string_view(address).substr(0, address.rfind(':'));
  }
  node.set_id(absl::StrCat("sidecar~", ip, "~", options_.node.workload(), ".", options_.name_space,
                           "~", options_.name_space, ".svc.cluster.local"));
  node.set_cluster(absl::StrCat(options_.node.workload(), ".", options_.name_space));
  node.set_user_agent_name(absl::StrCat("kith-sidecar/", base::kVersion));
  std::string json;
  const bool converted =
      google::protobuf::util::MessageToJsonString(options_.node, &json).ok() &&
      google::protobuf::util::JsonStringToMessage(json, node.mutable_metadata()).ok();
  KITH_CHECK(converted, "node metadata is plain JSON");
}

void DiscoveryClient::Open() {
  const absl::StatusOr<std::string> token = ReadToken(options_.token_file);
  if (!token.ok()) {
    Ended(base::Annotate(token.status(), kAttempted));
    return;
  }
  if (IsJoinToken(*token)) {
    Ended(absl::FailedPreconditionError(
        absl::StrCat(kAttempted, ": waits for the token that comes with the first certificate")));
    return;
  }
  opened_ = options_.clock->Now();
  DiscoveryStream::Handler& self = *this;
  stream_ = std::make_unique<DiscoveryStream>(loop_, channel_.Get(), *token, self);
  bool first = true;
  for (DiscoveryStream::Request& request : store_.Subscriptions()) {
    if (std::exchange(first, false)) SetNode(request);
    stream_->Write(std::move(request));
  }
}

void DiscoveryClient::OnAccepted() {
  if (report_.connected) return;
  SetConnected(true);
  report_.last_error.clear();
  base::Log(base::LogLevel::kInfo, "control", "connected to the control plane",
            {{"address", channel_.address()}});
  handler_.OnConnected();
}

void DiscoveryClient::OnResponse(const DiscoveryStream::Response& response) {
  OnAccepted();
  ResourceStore::Result result = store_.Apply(response);
  Count(result);
  if (!result.status.ok()) {
    report_.refused = std::string(result.status.message());
    refused_type_ = std::string(result.type);
    base::Log(base::LogLevel::kWarning, "control",
              "configuration refused; the last good one stays in force",
              {{"type", refused_type_}, {"error", report_.refused}});
  } else if (refused_type_ == result.type) {
    report_.refused.clear();
  }
  if (options_.node.trust_bundle_generation() != store_.bundle_generation()) {
    options_.node.set_trust_bundle_generation(store_.bundle_generation());
    SetNode(result.answer);
  }
  stream_->Write(std::move(result.answer));
  if (result.changed) handler_.OnUpdate(store_.Current());
}

void DiscoveryClient::OnEnd(const grpc::Status& status) {
  stream_.reset();
  Ended(status.ok() ? absl::UnavailableError(absl::StrCat(kAttempted, " at ", channel_.address(),
                                                          ": the control plane ended the stream"))
                    : channel_.Explain(kAttempted, status));
}

void DiscoveryClient::Ended(const absl::Status& status) {
  const bool was_connected = report_.connected;
  if (was_connected) SetConnected(false);
  if (leaving_) {
    if (left_) std::exchange(left_, nullptr)();
    return;
  }
  if (was_connected) handler_.OnDisconnected();
  // A stream that lived is not one of a row of failures.
  if (was_connected && options_.clock->Now() - opened_ > options_.longest_wait) backoff_.Reset();
  const std::string error(status.message());
  base::Log(was_connected || report_.last_error != error ? base::LogLevel::kWarning
                                                         : base::LogLevel::kDebug,
            "control", "not connected to the control plane; what it said before stays in force",
            {{"error", error}});
  report_.last_error = error;
  timer_.Start(backoff_.Next());
}

void DiscoveryClient::SetServedCertificate(const mesh::v1::ServedCertificate& certificate) {
  *options_.node.mutable_certificate() = certificate;
  if (stream_ == nullptr || leaving_) return;
  DiscoveryStream::Request news;
  SetNode(news);
  stream_->Write(std::move(news));
}

void DiscoveryClient::Want(const std::string& service) {
  DiscoveryStream::Request request;
  // Without a stream the next one begins with it.
  if (!store_.Want(service, request) || stream_ == nullptr || leaving_) return;
  stream_->Write(std::move(request));
}

void DiscoveryClient::SayGoodbye(absl::AnyInvocable<void()> done) {
  leaving_ = true;
  timer_.Stop();
  if (stream_ != nullptr && report_.connected) {
    left_ = std::move(done);
    stream_->EndWriting();
    return;
  }
  stream_.reset();
  loop_.Post(std::move(done));
}

void DiscoveryClient::SetConnected(bool connected) {
  if (report_.connected != connected) report_.since = options_.clock->Now();
  report_.connected = connected;
  if (options_.metrics == nullptr) return;
  options_.metrics->GetGauge(telemetry::kControlPlaneConnected, {}).Set(connected ? 1 : 0);
}

void DiscoveryClient::Count(const ResourceStore::Result& result) {
  if (options_.metrics == nullptr || result.type.empty()) return;
  const absl::string_view outcome = result.status.ok() ? "ack" : "nack";
  options_.metrics->GetCounter(telemetry::kConfigUpdates, {result.type, outcome}).Add();
  if (!result.status.ok()) return;
  options_.metrics->GetGauge(telemetry::kConfigLastSuccess, {result.type})
      .Set(absl::ToDoubleSeconds(options_.clock->Now() - absl::UnixEpoch()));
}

}  // namespace kith::control
