#include "source/control/workload_api_server.h"

#include <grpcpp/grpcpp.h>
#include <grpcpp/server_posix.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/types/optional.h"
#include "source/base/status.h"
#include "source/net/unix_acceptor.h"
#include "source/telemetry/families.h"
#include "source/tls/encoding.h"
#include "spiffe/workload/workload.grpc.pb.h"

namespace kith::control {
namespace {

constexpr char kHeader[] = "workload.spiffe.io";
constexpr int kMaxRequest = 4096;  // Requests are empty.

// The user at the other end. gRPC names a connection that it was given "fd:N"; a descriptor that
// has been closed and used again belongs to a connection on which this answer never arrives.
absl::optional<uint32_t> PeerUid(absl::string_view peer) {
  int descriptor = -1;
  if (!absl::ConsumePrefix(&peer, "fd:") || !absl::SimpleAtoi(peer, &descriptor)) {
    return absl::nullopt;
  }
  ucred credentials = {};
  socklen_t size = sizeof credentials;
  if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    return absl::nullopt;
  }
  return credentials.uid;
}

std::string TrustDomainId(absl::string_view trust_domain) {
  return absl::StrCat("spiffe://", trust_domain);
}

}  // namespace

// Both methods stream the same state. Streams are known to the service from their start to
// OnDone(), under one lock, so that a push never meets one that is gone.
class WorkloadApiServer::Service : public SpiffeWorkloadAPI::CallbackService {
 public:
  struct State {
    uint64_t version = 0;  // Zero: there is no identity yet.
    X509SVIDResponse svid;
    X509BundlesResponse bundles;
  };

  explicit Service(const Options& options)
      : options_(options),
        shard_(options.metrics == nullptr ? nullptr : &options.metrics->AddShard()) {}

  void Publish(State state) {
    const std::lock_guard<std::mutex> lock(mutex_);
    state.version = state_.version + 1;
    state_ = std::move(state);
    for (Pushed* stream : streams_) stream->Push(state_);
  }

  grpc::ServerWriteReactor<X509SVIDResponse>* FetchX509SVID(grpc::CallbackServerContext* context,
                                                            const X509SVIDRequest*) override {
    return new Stream<X509SVIDResponse>(*this, "FetchX509SVID", *context, &State::svid);
  }
  grpc::ServerWriteReactor<X509BundlesResponse>* FetchX509Bundles(
      grpc::CallbackServerContext* context, const X509BundlesRequest*) override {
    return new Stream<X509BundlesResponse>(*this, "FetchX509Bundles", *context, &State::bundles);
  }

 private:
  class Pushed {
   public:
    virtual void Push(const State& state) = 0;  // Under the service's mutex_.

   protected:
    ~Pushed() = default;
  };

  template <typename Message>
  class Stream final : public grpc::ServerWriteReactor<Message>, public Pushed {
   public:
    Stream(Service& service, absl::string_view rpc, const grpc::CallbackServerContext& context,
           Message State::*part)
        : service_(service), part_(part) {
      const std::lock_guard<std::mutex> lock(service_.mutex_);
      const grpc::Status refusal = service_.Admit(rpc, context);
      if (!refusal.ok()) {
        finished_ = true;
        this->Finish(refusal);
        return;
      }
      service_.streams_.insert(this);
      service_.ShowStreams();
      Push(service_.state_);
    }

    void Push(const State& state) override {
      if (finished_ || writing_ || state.version == sent_) return;
      sent_ = state.version;
      message_ = state.*part_;
      writing_ = true;
      this->StartWrite(&message_);
    }

    void OnWriteDone(bool ok) override {
      const std::lock_guard<std::mutex> lock(service_.mutex_);
      writing_ = false;
      if (!ok) return End(grpc::Status::CANCELLED);
      Push(service_.state_);  // What came meanwhile.
    }
    void OnCancel() override {
      const std::lock_guard<std::mutex> lock(service_.mutex_);
      End(grpc::Status::CANCELLED);
    }
    void OnDone() override {
      {
        const std::lock_guard<std::mutex> lock(service_.mutex_);
        if (service_.streams_.erase(this) > 0) service_.ShowStreams();
      }
      delete this;
    }

   private:
    void End(const grpc::Status& status) {
      if (!std::exchange(finished_, true)) this->Finish(status);
    }

    Service& service_;
    Message State::*const part_;
    // Under the service's mutex_.
    Message message_;
    uint64_t sent_ = 0;
    bool writing_ = false;
    bool finished_ = false;
  };

  // Under mutex_.
  grpc::Status Admit(absl::string_view rpc, const grpc::CallbackServerContext& context) {
    const auto refuse = [&](absl::string_view result, grpc::StatusCode code, const char* why) {
      Count(rpc, result);
      return grpc::Status(code, why);
    };
    const auto header = context.client_metadata().find(kHeader);
    if (header == context.client_metadata().end() || header->second != "true") {
      return refuse("no_metadata", grpc::StatusCode::INVALID_ARGUMENT,
                    "the metadata workload.spiffe.io: true is missing");
    }
    const absl::optional<uint32_t> uid = PeerUid(context.peer());
    if (!uid.has_value() || !IsAllowed(*uid)) {
      return refuse("denied", grpc::StatusCode::PERMISSION_DENIED, "no identity issued");
    }
    if (state_.version == 0) {
      return refuse("no_identity", grpc::StatusCode::UNAVAILABLE, "there is no identity yet");
    }
    if (streams_.size() >= options_.max_streams) {
      return refuse("too_many", grpc::StatusCode::RESOURCE_EXHAUSTED, "too many streams are open");
    }
    Count(rpc, "ok");
    return grpc::Status::OK;
  }

  bool IsAllowed(uint32_t uid) const {
    if (options_.uids.empty()) return uid == 0 || uid == geteuid();
    return std::find(options_.uids.begin(), options_.uids.end(), uid) != options_.uids.end();
  }

  void Count(absl::string_view rpc, absl::string_view result) {
    if (shard_ != nullptr) shard_->GetCounter(telemetry::kWorkloadApiRequests, {rpc, result}).Add();
  }
  void ShowStreams() {
    if (shard_ == nullptr) return;
    shard_->GetGauge(telemetry::kWorkloadApiStreams, {}).Set(static_cast<double>(streams_.size()));
  }

  const Options options_;
  std::mutex mutex_;
  State state_;                           // Under mutex_.
  absl::flat_hash_set<Pushed*> streams_;  // Under mutex_.
  telemetry::Shard* const shard_;         // Counted in under mutex_ only.
};

struct WorkloadApiServer::Parts {
  explicit Parts(const Options& options) : service(options) {}

  Service service;
  std::unique_ptr<grpc::Server> server;
  std::unique_ptr<net::UnixAcceptor> acceptor;
};

WorkloadApiServer::WorkloadApiServer(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

WorkloadApiServer::~WorkloadApiServer() {
  parts_->acceptor.reset();
  // At once: open streams never end by themselves.
  parts_->server->Shutdown(std::chrono::system_clock::now());
  parts_->server->Wait();
}

absl::StatusOr<std::unique_ptr<WorkloadApiServer>> WorkloadApiServer::Create(event::Loop& loop,
                                                                             Options options) {
  auto parts = std::make_unique<Parts>(options);
  grpc::ServerBuilder builder;
  builder.RegisterService(&parts->service);
  builder.SetMaxReceiveMessageSize(kMaxRequest);
  parts->server = builder.BuildAndStart();
  if (parts->server == nullptr) {
    return absl::InternalError("serve the SPIFFE Workload API: gRPC could not start");
  }
  grpc::Server& server = *parts->server;
  auto acceptor = net::UnixAcceptor::Create(
      loop, {.path = options.path, .mode = options.mode},
      [&server](int descriptor) { grpc::AddInsecureChannelFromFd(&server, descriptor); });
  if (!acceptor.ok()) {
    server.Shutdown();
    return base::Annotate(acceptor.status(), "serve the SPIFFE Workload API");
  }
  parts->acceptor = *std::move(acceptor);
  return std::unique_ptr<WorkloadApiServer>(new WorkloadApiServer(std::move(parts)));
}

absl::Status WorkloadApiServer::Publish(const tls::Context& context) {
  const tls::Identity& identity = context.identity();
  Service::State state;
  X509SVID& svid = *state.svid.add_svids();
  svid.set_spiffe_id(identity.id().text());
  KITH_ASSIGN_OR_RETURN(*svid.mutable_x509_svid(), tls::CertificatesToDer(identity.ChainPem()));
  KITH_ASSIGN_OR_RETURN(*svid.mutable_x509_svid_key(), tls::KeyToDer(identity.key()));
  for (const tls::TrustBundle::Domain& domain : context.bundle().domains()) {
    KITH_ASSIGN_OR_RETURN(const std::string der, tls::CertificatesToDer(domain.roots_pem));
    (*state.bundles.mutable_bundles())[TrustDomainId(domain.trust_domain)] = der;
    if (domain.trust_domain == identity.id().trust_domain()) {
      svid.set_bundle(der);
    } else {
      (*state.svid.mutable_federated_bundles())[TrustDomainId(domain.trust_domain)] = der;
    }
  }
  parts_->service.Publish(std::move(state));
  return absl::OkStatus();
}

}  // namespace kith::control
