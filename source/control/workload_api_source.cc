#include "source/control/workload_api_source.h"

#include <atomic>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "source/base/check.h"
#include "source/base/socket_address.h"
#include "source/base/status.h"
#include "source/tls/encoding.h"
#include "spiffe/workload/workload.grpc.pb.h"

namespace kith::control {
namespace {

using identity::Failure;
using identity::Refusal;

constexpr int kMaxMessage = 4 * 1024 * 1024;
constexpr int kMaxSvids = 64;
constexpr int kMaxBundles = 256;
constexpr absl::string_view kScheme = "spiffe://";
constexpr char kHeader[] = "workload.spiffe.io";

grpc::ChannelArguments Arguments() {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, "localhost");
  arguments.SetMaxReceiveMessageSize(kMaxMessage);
  // The source spaces its attempts itself; the channel must not be asleep when it tries.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 500);
  return arguments;
}

Failure FailureOf(const grpc::Status& status) {
  switch (status.error_code()) {
    case grpc::StatusCode::PERMISSION_DENIED:
    case grpc::StatusCode::UNAUTHENTICATED:
    case grpc::StatusCode::INVALID_ARGUMENT:
    case grpc::StatusCode::UNIMPLEMENTED:
      return Failure::kRefused;
    default:
      return Failure::kUnavailable;
  }
}

absl::string_view HintFor(const grpc::Status& status) {
  switch (status.error_code()) {
    case grpc::StatusCode::PERMISSION_DENIED:
      return "; is this workload registered there?";
    case grpc::StatusCode::UNAVAILABLE:
      return "; does the agent run, and may this process open its socket?";
    case grpc::StatusCode::UNIMPLEMENTED:
      return "; is that a SPIFFE Workload API?";
    default:
      return "";
  }
}

// A key of a map of bundles: "spiffe://partner.example", or the trust domain alone.
std::string TrustDomainOf(absl::string_view key) {
  absl::ConsumePrefix(&key, kScheme);
  absl::ConsumeSuffix(&key, "/");
  return std::string(key);
}

Refusal Bad(absl::string_view what, const absl::Status& status) {
  return {Failure::kBadReply,
          base::Annotate(status, absl::StrCat("read the Workload API's message: ", what))};
}

}  // namespace

absl::StatusOr<std::string> WorkloadApiTarget(absl::string_view endpoint) {
  absl::string_view rest = endpoint;
  if (absl::ConsumePrefix(&rest, "unix://") || absl::ConsumePrefix(&rest, "unix:")) {
    if (!rest.empty() && rest.front() == '/') return absl::StrCat("unix:", rest);
  } else if (absl::ConsumePrefix(&rest, "tcp://")) {
    const auto address = base::SocketAddress::Parse(rest);
    if (address.ok() && address->UnixPath().empty() && address->port() != 0) {
      return address->ToString();
    }
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "\"", endpoint.substr(0, 256), "\" is not \"unix:///path\" or \"tcp://ip:port\""));
}

// gRPC's side of the stream. `owner` is the loop's alone: null once the stream is destroyed.
class WorkloadApiSource::Stream : public grpc::ClientReadReactor<X509SVIDResponse> {
 public:
  Stream(event::Loop& loop, const std::shared_ptr<grpc::Channel>& channel, WorkloadApiSource& owner)
      : link_(std::make_shared<Link>(loop)), stub_(SpiffeWorkloadAPI::NewStub(channel)) {
    link_->owner = &owner;
    context_.AddMetadata(kHeader, "true");
    stub_->async()->FetchX509SVID(&context_, &request_, this);
    AddHold();
    StartRead(&message_);
    StartCall();
  }

  ~Stream() override {
    link_->owner = nullptr;
    context_.TryCancel();
    Close();
    link_->done.wait(false);
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      Close();
      return;
    }
    link_->loop.Post([this, link = link_, message = std::move(message_)] {
      if (link->owner != nullptr) link->owner->OnMessage(message);
      if (link->owner != nullptr) ReadNext();
    });
  }

  void OnDone(const grpc::Status& status) override {
    const std::shared_ptr<Link> link = link_;
    link->loop.Post([link, status] {
      if (link->owner != nullptr) link->owner->OnEnd(status);
    });
    link->done = true;  // Whoever waits for it may delete this now.
    link->done.notify_all();
  }

 private:
  struct Link {
    explicit Link(event::Loop& loop_in) : loop(loop_in) {}
    event::Loop& loop;
    WorkloadApiSource* owner = nullptr;
    std::atomic<bool> done = false;  // gRPC has finished with the call and with the loop.
  };

  // A hold keeps the call open while the loop may still ask for more.
  void ReadNext() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!closed_) StartRead(&message_);
  }
  void Close() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!std::exchange(closed_, true)) RemoveHold();
  }

  const std::shared_ptr<Link> link_;
  const std::unique_ptr<SpiffeWorkloadAPI::Stub> stub_;
  grpc::ClientContext context_;
  X509SVIDRequest request_;
  X509SVIDResponse message_;
  std::mutex mutex_;
  bool closed_ = false;  // Under mutex_.
};

WorkloadApiSource::WorkloadApiSource(event::Loop& loop, std::string target, Options options)
    : loop_(loop),
      options_(std::move(options)),
      channel_(grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), Arguments())),
      backoff_(
          options_.first_wait, options_.longest_wait,
          options_.random ? options_.random
                          : [] { return absl::Uniform(absl::BitGen(), 0.0, 1.0); }),
      timer_(loop_, [this] { Open(); }) {}

absl::StatusOr<std::unique_ptr<WorkloadApiSource>> WorkloadApiSource::Create(event::Loop& loop,
                                                                             Options options) {
  KITH_ASSIGN_OR_RETURN(std::string target, WorkloadApiTarget(options.endpoint));
  return std::unique_ptr<WorkloadApiSource>(
      new WorkloadApiSource(loop, std::move(target), std::move(options)));
}

WorkloadApiSource::~WorkloadApiSource() = default;

void WorkloadApiSource::Start(identity::Source::Observer& observer) {
  KITH_CHECK(observer_ == nullptr, "a source is started once");
  observer_ = &observer;
  Open();
}

void WorkloadApiSource::RotateNow() {
  used_.clear();
  Open();
}

absl::Time WorkloadApiSource::next_attempt() const { return due_; }

void WorkloadApiSource::Open() {
  timer_.Stop();
  due_ = absl::InfiniteFuture();
  stream_.reset();
  stream_ = std::make_unique<Stream>(loop_, channel_, *this);
}

void WorkloadApiSource::OnMessage(const X509SVIDResponse& message) {
  const Refusal refusal = Use(message);
  if (refusal.failure == Failure::kNone) {
    backoff_.Reset();
    return;
  }
  // The next message may come much later: it is asked for.
  stream_.reset();
  Fail(refusal);
}

void WorkloadApiSource::OnEnd(const grpc::Status& status) {
  stream_.reset();
  const std::string message =
      status.ok() ? "it ended the stream" : status.error_message().substr(0, 1024);
  Fail({FailureOf(status),
        absl::Status(status.ok() ? absl::StatusCode::kUnavailable
                                 : static_cast<absl::StatusCode>(status.error_code()),
                     absl::StrCat("ask the Workload API at ", options_.endpoint, ": ", message,
                                  HintFor(status)))});
}

void WorkloadApiSource::Fail(const Refusal& refusal) {
  observer_->OnFailure(refusal.failure, refusal.status);
  const absl::Duration wait =
      absl::IsInvalidArgument(refusal.status) ? options_.longest_wait : backoff_.Next();
  due_ = options_.clock->Now() + wait;
  timer_.Start(wait);
}

absl::StatusOr<const X509SVID*> WorkloadApiSource::Choose(const X509SVIDResponse& message) const {
  if (message.svids().empty()) {
    return absl::DataLossError("it holds no identity; is this workload registered there?");
  }
  if (message.svids_size() > kMaxSvids || message.federated_bundles_size() > kMaxBundles) {
    return absl::DataLossError("it holds too much");
  }
  for (const X509SVID& svid : message.svids()) {
    if (options_.hint.empty() ? svid.spiffe_id() == options_.id.text()
                              : svid.hint() == options_.hint) {
      return &svid;
    }
  }
  if (options_.hint.empty()) return &message.svids(0);
  return absl::DataLossError(absl::StrCat("no identity has the hint \"", options_.hint, "\""));
}

Refusal WorkloadApiSource::Use(const X509SVIDResponse& message) {
  const auto svid = Choose(message);
  if (!svid.ok()) return Bad("identity", svid.status());
  std::vector<tls::TrustBundle::Domain> bundles;
  auto roots = tls::CertificatesFromDer((*svid)->bundle());
  if (!roots.ok()) return Bad("bundle", roots.status());
  bundles.push_back({std::string(options_.id.trust_domain()), *std::move(roots)});
  for (const auto& [key, der] : message.federated_bundles()) {
    const std::string domain = TrustDomainOf(key);
    if (domain == options_.id.trust_domain()) continue;
    auto others = tls::CertificatesFromDer(der);
    if (!others.ok()) return Bad("federated_bundles", others.status());
    bundles.push_back({domain, *std::move(others)});
  }
  // A bundle that cuts off the present identity is taken together with the next one.
  const absl::Status trusted = observer_->OnBundles(bundles);

  if (used_ != (*svid)->x509_svid()) {
    auto key = tls::KeyFromDer((*svid)->x509_svid_key());
    if (!key.ok()) return Bad("x509_svid_key", key.status());
    auto chain = tls::CertificatesFromDer((*svid)->x509_svid());
    if (!chain.ok()) return Bad("x509_svid", chain.status());
    auto identity = tls::Identity::Create(*chain, *std::move(key));
    if (!identity.ok()) return Bad("x509_svid", identity.status());
    Refusal refusal = identity::CheckIdentity(**identity, options_.id, options_.clock->Now());
    if (refusal.failure != Failure::kNone) return refusal;
    if (absl::Status used = observer_->OnIdentity(*identity); !used.ok()) {
      return {Failure::kUntrusted, used};
    }
    used_ = (*svid)->x509_svid();
  }
  if (trusted.ok() || observer_->OnBundles(bundles).ok()) return {};
  return {Failure::kUntrusted, base::Annotate(trusted, "use the Workload API's bundles")};
}

}  // namespace kith::control
