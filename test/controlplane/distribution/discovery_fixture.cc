#include "test/controlplane/distribution/discovery_fixture.h"

#include <chrono>
#include <utility>

namespace kith::controlplane {

envoy::config::core::v3::Node Sidecar::Node() const {
  envoy::config::core::v3::Node node;
  auto& fields = *node.mutable_metadata()->mutable_fields();
  fields["workload"].set_string_value(name);
  auto& all_labels = *fields["labels"].mutable_struct_value()->mutable_fields();
  for (const auto& [key, value] : labels) all_labels[key].set_string_value(value);
  for (const auto& [port, address] : inbound) {
    auto& entry = *fields["inbound"].mutable_list_value()->add_values()->mutable_struct_value();
    (*entry.mutable_fields())["port"].set_number_value(port);
    (*entry.mutable_fields())["address"].set_string_value(address);
  }
  return node;
}

Client::Client(const ControlPlane& server, const Sidecar& sidecar)
    : sidecar_(sidecar),
      channel_(server.Channel()),
      stub_(envoy::service::discovery::v3::AggregatedDiscoveryService::NewStub(channel_)) {
  context_.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
  context_.AddMetadata("authorization",
                       absl::StrCat(sidecar.name_space, "/", sidecar.service_account, "/",
                                    absl::ToUnixSeconds(sidecar.token_end)));
  stream_ = stub_->DeltaAggregatedResources(&context_);
}

Client::~Client() {
  if (ended_) return;
  context_.TryCancel();
  AwaitEnd();
}

void Client::Open(const char* type_url, std::vector<std::string> names,
                  std::map<std::string, std::string> held) {
  Subscription::Request request;
  *request.mutable_node() = sidecar_.Node();
  request.set_type_url(type_url);
  for (std::string& name : names) request.add_resource_names_subscribe(std::move(name));
  request.mutable_initial_resource_versions()->insert(held.begin(), held.end());
  Send(request);
}

void Client::Subscribe(const char* type_url, std::vector<std::string> names) {
  Subscription::Request request;
  request.set_type_url(type_url);
  for (std::string& name : names) request.add_resource_names_subscribe(std::move(name));
  Send(request);
}

std::optional<Subscription::Response> Client::Read() {
  Subscription::Response response;
  if (!stream_->Read(&response)) return std::nullopt;
  return response;
}

std::optional<Subscription::Response> Client::Take() {
  auto response = Read();
  if (!response.has_value()) return response;
  Subscription::Request ack;
  ack.set_type_url(response->type_url());
  ack.set_response_nonce(response->nonce());
  Send(ack);
  return response;
}

void Client::Refuse(const Subscription::Response& response, const std::string& why) {
  Subscription::Request nack;
  nack.set_type_url(response.type_url());
  nack.set_response_nonce(response.nonce());
  nack.mutable_error_detail()->set_message(why);
  Send(nack);
}

mesh::v1::Service Client::ServiceIn(const std::optional<Subscription::Response>& response) {
  mesh::v1::Service service;
  if (!response.has_value() || response->resources_size() != 1) {
    ADD_FAILURE() << "expected one service";
    return service;
  }
  EXPECT_TRUE(response->resources(0).resource().UnpackTo(&service));
  return service;
}

grpc::Status Client::SayGoodbye() {
  stream_->WritesDone();
  return AwaitEnd();
}

grpc::Status Client::AwaitEnd() {
  ended_ = true;
  Subscription::Response ignored;
  while (stream_->Read(&ignored)) {
  }
  return stream_->Finish();
}

}  // namespace kith::controlplane
