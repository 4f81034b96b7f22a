// A control plane's distribution on a loop of its own thread, served over real gRPC on port 0, and
// clients to talk to it.
// Threads: the test's. Owns: everything. Errors: by gtest's expectations.
#pragma once

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "envoy/service/discovery/v3/discovery.grpc.pb.h"
#include "kith/mesh/v1/resources.pb.h"
#include "source/controlplane/distribution/discovery_service.h"
#include "source/controlplane/distribution/hub.h"
#include "source/controlplane/distribution/server.h"
#include "source/controlplane/registry/file_set.h"
#include "test/support/manual_clock.h"
#include "test/support/temporary_directory.h"

namespace kith::controlplane {

// Counted on the loop's thread.
struct Counts : HubObserver {
  void SetStreams(size_t count) override { streams = count; }
  void CountPush(absl::string_view) override { ++pushes; }
  void CountAck(absl::string_view) override { ++acks; }
  void CountNack(absl::string_view) override { ++nacks; }
  std::atomic<size_t> streams = 0;
  std::atomic<int> pushes = 0, acks = 0, nacks = 0;
};

class ControlPlane {
 public:
  ControlPlane(const test::ManualClock& clock, const std::string& roster_file)
      : loop_(*event::Loop::Create()),
        hub_(std::make_unique<Hub>(*loop_, Hub::Options{.mesh = {},
                                                        .roster = {},
                                                        .roster_file = roster_file,
                                                        .gather = absl::Milliseconds(1),
                                                        .clock = &clock,
                                                        .observer = &counts})),
        service_(*loop_, *hub_, Authenticate) {
    mesh::v1::TrustBundle bundle;
    bundle.set_roots("roots");
    hub_->SetTrustBundle(std::move(bundle));
    server_ = *GrpcServer::Create({.address = *base::SocketAddress::Parse("127.0.0.1:0"),
                                   .key_file = "",
                                   .chain_file = "",
                                   .services = {&service_}});
    thread_ = std::thread([this] { loop_->Run(); });
  }

  ~ControlPlane() {
    OnLoop([&] { hub_->EndAll(absl::UnavailableError("stopping")); });
    server_->Shutdown(absl::Seconds(1));
    loop_->Stop();
    thread_.join();
    hub_.reset();
  }

  void OnLoop(absl::FunctionRef<void()> work) {
    std::promise<void> done;  // Not absl's: ThreadSanitizer cannot see into it.
    loop_->Post([&] {
      work();
      done.set_value();
    });
    done.get_future().wait();
  }

  void SetDocuments(const std::string& yaml) {
    FileSet files({});
    files.Apply({{"mesh.yaml", yaml}});
    ASSERT_TRUE(files.reports()[0].status.ok()) << files.reports()[0].status;
    OnLoop([&] { hub_->SetState(files.state()); });
  }

  void Tick() {
    OnLoop([&] { hub_->Tick(); });
  }

  std::vector<Hub::WorkloadReport> Workloads() {
    std::vector<Hub::WorkloadReport> reports;
    OnLoop([&] { reports = hub_->Workloads(); });
    return reports;
  }

  std::shared_ptr<grpc::Channel> Channel() const {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // Each client its own connection.
    return grpc::CreateCustomChannel(absl::StrCat("127.0.0.1:", server_->port()),
                                     grpc::InsecureChannelCredentials(), arguments);
  }

  Counts counts;

 private:
  // The token is "NAMESPACE/SERVICE ACCOUNT/UNIX SECONDS OF ITS END".
  static absl::StatusOr<Caller> Authenticate(const grpc::CallbackServerContext& context) {
    const auto found = context.client_metadata().find("authorization");
    if (found == context.client_metadata().end()) return absl::UnauthenticatedError("no token");
    const std::vector<std::string> parts =
        absl::StrSplit(std::string(found->second.data(), found->second.size()), '/');
    if (parts.size() != 3) return absl::UnauthenticatedError("a bad token");
    return Caller{.name_space = parts[0],
                  .service_account = parts[1],
                  .token_id = "",
                  .expires = absl::FromUnixSeconds(std::stoll(parts[2]))};
  }

  std::unique_ptr<event::Loop> loop_;
  std::unique_ptr<Hub> hub_;
  DiscoveryService service_;
  std::unique_ptr<GrpcServer> server_;
  std::thread thread_;
};

// What a sidecar says of itself.
struct Sidecar {
  std::string name;
  std::string name_space = "demo";
  std::string service_account = "default";
  std::map<std::string, std::string> labels = {};
  std::map<int, std::string> inbound = {};
  absl::Time token_end = absl::FromUnixSeconds(4000000000);

  envoy::config::core::v3::Node Node() const;
};

class Client {
 public:
  Client(const ControlPlane& server, const Sidecar& sidecar);
  ~Client();

  // Subscribes and announces the node with it.
  void Open(const char* type_url, std::vector<std::string> names,
            std::map<std::string, std::string> held = {});
  void Subscribe(const char* type_url, std::vector<std::string> names);
  void Send(const Subscription::Request& request) { EXPECT_TRUE(stream_->Write(request)); }

  // Waits for the next response of any type and accepts it.
  std::optional<Subscription::Response> Take();
  // The next response, which is not answered.
  std::optional<Subscription::Response> Read();
  void Refuse(const Subscription::Response& response, const std::string& why);
  // The service of a response that holds one and nothing else.
  static mesh::v1::Service ServiceIn(const std::optional<Subscription::Response>& response);

  // Waits until the server has accepted the stream.
  void AwaitAccepted() { stream_->WaitForInitialMetadata(); }
  // Says good-bye; waits for the end.
  grpc::Status SayGoodbye();
  // Breaks off.
  void BreakOff() { context_.TryCancel(); }
  // Waits for the server to end the stream.
  grpc::Status AwaitEnd();

 private:
  const Sidecar sidecar_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<envoy::service::discovery::v3::AggregatedDiscoveryService::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<Subscription::Request, Subscription::Response>> stream_;
  bool ended_ = false;
};

}  // namespace kith::controlplane
