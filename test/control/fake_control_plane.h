// A control plane for tests: a real gRPC server in the test's process whose answers the test
// writes. Threads: the test's; gRPC has its own. Owns: the server. Errors: test failures.
#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "envoy/service/discovery/v3/discovery.grpc.pb.h"
#include "istio/v1/auth/ca.grpc.pb.h"

namespace kith::control {

class FakeControlPlane {
 public:
  using Request = envoy::service::discovery::v3::DeltaDiscoveryRequest;
  using Response = envoy::service::discovery::v3::DeltaDiscoveryResponse;
  using SigningRequest = istio::v1::auth::IstioCertificateRequest;
  using SigningResponse = istio::v1::auth::IstioCertificateResponse;

  FakeControlPlane() : xds_(*this), ca_(*this) {}
  ~FakeControlPlane() { Stop(); }

  // On the port of an earlier start, if there was one. Null credentials: plaintext.
  void Start(std::shared_ptr<grpc::ServerCredentials> credentials = nullptr);
  // At once, as if killed.
  void Stop();
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

  // What came so far, of all streams.
  std::vector<Request> requests() const;
  std::vector<std::string> authorizations() const;
  int streams() const;
  int half_closed() const;  // Streams that the client ended in good order.
  std::vector<SigningRequest> signing_requests() const;

  // To the newest stream.
  void Send(const Response& response);
  void EndStream();
  void RefuseStreams(grpc::Status status);

  // Answers signing requests; called on gRPC's threads.
  std::function<grpc::Status(const SigningRequest&, SigningResponse&)> sign;
  std::string given_token;  // That goes with each certificate; empty: none.

 private:
  using Stream = grpc::ServerReaderWriter<Response, Request>;

  class Xds : public envoy::service::discovery::v3::AggregatedDiscoveryService::Service {
   public:
    explicit Xds(FakeControlPlane& owner) : owner_(owner) {}
    grpc::Status DeltaAggregatedResources(grpc::ServerContext* context, Stream* stream) override;

   private:
    FakeControlPlane& owner_;
  };
  class Ca : public istio::v1::auth::IstioCertificateService::Service {
   public:
    explicit Ca(FakeControlPlane& owner) : owner_(owner) {}
    grpc::Status CreateCertificate(grpc::ServerContext* context, const SigningRequest* request,
                                   SigningResponse* response) override;

   private:
    FakeControlPlane& owner_;
  };
  void NoteCaller(const grpc::ServerContext& context);

  Xds xds_;
  Ca ca_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;

  mutable std::mutex mutex_;  // Guards what follows.
  std::vector<Request> requests_;
  std::vector<SigningRequest> signing_requests_;
  std::vector<std::string> authorizations_;
  grpc::Status refusal_;
  Stream* stream_ = nullptr;
  grpc::ServerContext* stream_context_ = nullptr;
  int streams_ = 0;
  int half_closed_ = 0;
};

}  // namespace kith::control
