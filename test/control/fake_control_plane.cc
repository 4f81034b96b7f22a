#include "test/control/fake_control_plane.h"

#include <gtest/gtest.h>

#include <chrono>

namespace kith::control {

void FakeControlPlane::Start(std::shared_ptr<grpc::ServerCredentials> credentials) {
  if (credentials == nullptr) credentials = grpc::InsecureServerCredentials();
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:" + std::to_string(port_), credentials, &port);
  builder.RegisterService(&xds_);
  builder.RegisterService(&ca_);
  server_ = builder.BuildAndStart();
  ASSERT_NE(server_, nullptr);
  port_ = port;
}

void FakeControlPlane::Stop() {
  if (server_ == nullptr) return;
  server_->Shutdown(std::chrono::system_clock::now());
  server_->Wait();
  server_.reset();
}

std::vector<FakeControlPlane::Request> FakeControlPlane::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}
std::vector<std::string> FakeControlPlane::authorizations() const {
  const std::lock_guard lock(mutex_);
  return authorizations_;
}
int FakeControlPlane::streams() const {
  const std::lock_guard lock(mutex_);
  return streams_;
}
int FakeControlPlane::half_closed() const {
  const std::lock_guard lock(mutex_);
  return half_closed_;
}
std::vector<FakeControlPlane::SigningRequest> FakeControlPlane::signing_requests() const {
  const std::lock_guard lock(mutex_);
  return signing_requests_;
}

void FakeControlPlane::Send(const Response& response) {
  const std::lock_guard lock(mutex_);
  ASSERT_NE(stream_, nullptr);
  stream_->Write(response);
}

void FakeControlPlane::EndStream() {
  const std::lock_guard lock(mutex_);
  ASSERT_NE(stream_context_, nullptr);
  stream_context_->TryCancel();
}

void FakeControlPlane::RefuseStreams(grpc::Status status) {
  const std::lock_guard lock(mutex_);
  refusal_ = std::move(status);
}

void FakeControlPlane::NoteCaller(const grpc::ServerContext& context) {
  const auto found = context.client_metadata().find("authorization");
  const std::lock_guard lock(mutex_);
  authorizations_.push_back(found == context.client_metadata().end()
                                ? ""
                                : std::string(found->second.data(), found->second.size()));
}

grpc::Status FakeControlPlane::Xds::DeltaAggregatedResources(grpc::ServerContext* context,
                                                             Stream* stream) {
  owner_.NoteCaller(*context);
  {
    const std::lock_guard lock(owner_.mutex_);
    ++owner_.streams_;
    if (!owner_.refusal_.ok()) return owner_.refusal_;
    stream->SendInitialMetadata();
    owner_.stream_ = stream;
    owner_.stream_context_ = context;
  }
  Request request;
  while (stream->Read(&request)) {
    const std::lock_guard lock(owner_.mutex_);
    owner_.requests_.push_back(request);
  }
  const std::lock_guard lock(owner_.mutex_);
  if (owner_.stream_ == stream) owner_.stream_ = nullptr;
  if (owner_.stream_context_ == context) owner_.stream_context_ = nullptr;
  if (!context->IsCancelled()) ++owner_.half_closed_;
  return grpc::Status::OK;
}

grpc::Status FakeControlPlane::Ca::CreateCertificate(grpc::ServerContext* context,
                                                     const SigningRequest* request,
                                                     SigningResponse* response) {
  owner_.NoteCaller(*context);
  {
    const std::lock_guard lock(owner_.mutex_);
    owner_.signing_requests_.push_back(*request);
  }
  if (!owner_.given_token.empty()) {
    context->AddTrailingMetadata("kith-token", owner_.given_token);
  }
  return owner_.sign(*request, *response);
}

}  // namespace kith::control
