// A gRPC client and server of C++ through two workers: all four kinds of calls, trailers, errors
// and deadlines.

#include <google/protobuf/wrappers.pb.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/client_unary_call.h>
#include <grpcpp/impl/codegen/method_handler.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/impl/codegen/rpc_service_method.h>
#include <grpcpp/impl/codegen/service_type.h>
#include <grpcpp/impl/codegen/sync_stream.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "test/proxy/proxy_pair.h"

namespace kith::proxy {
namespace {

using google::protobuf::BytesValue;
using google::protobuf::MessageLite;
using grpc::internal::RpcMethod;

constexpr char kUnary[] = "/test.Calls/Unary";
constexpr char kGather[] = "/test.Calls/Gather";
constexpr char kScatter[] = "/test.Calls/Scatter";
constexpr char kEcho[] = "/test.Calls/Echo";
constexpr char kWait[] = "/test.Calls/Wait";

BytesValue Bytes(std::string text) {
  BytesValue value;
  value.set_value(std::move(text));
  return value;
}

// A message of many frames.
std::string Large(int seed) {
  std::string text;
  for (int i = 0; i < 300000; ++i) text.push_back(static_cast<char>((i * 31 + seed) % 251));
  return text;
}

// What a generated service would be.
class Calls final : public grpc::Service {
 public:
  Calls() {
    using grpc::internal::RpcServiceMethod;
    AddMethod(new RpcServiceMethod(
        kUnary, RpcMethod::NORMAL_RPC,
        new grpc::internal::RpcMethodHandler<Calls, BytesValue, BytesValue, MessageLite,
                                             MessageLite>(
            [](Calls*, grpc::ServerContext* context, const BytesValue* in, BytesValue* out) {
              context->AddTrailingMetadata("x-size", absl::StrCat(in->value().size()));
              if (in->value().empty()) {
                return grpc::Status(grpc::StatusCode::NOT_FOUND, "nothing: 100% empty");
              }
              *out = *in;
              return grpc::Status::OK;
            },
            this)));
    AddMethod(new RpcServiceMethod(
        kGather, RpcMethod::CLIENT_STREAMING,
        new grpc::internal::ClientStreamingHandler<Calls, BytesValue, BytesValue>(
            [](Calls*, grpc::ServerContext*, grpc::ServerReader<BytesValue>* reader,
               BytesValue* out) {
              for (BytesValue in; reader->Read(&in);) out->mutable_value()->append(in.value());
              return grpc::Status::OK;
            },
            this)));
    AddMethod(new RpcServiceMethod(
        kScatter, RpcMethod::SERVER_STREAMING,
        new grpc::internal::ServerStreamingHandler<Calls, BytesValue, BytesValue>(
            [](Calls*, grpc::ServerContext*, const BytesValue* in,
               grpc::ServerWriter<BytesValue>* writer) {
              for (int i = 0; i < 20; ++i) writer->Write(Bytes(absl::StrCat(in->value(), i)));
              return grpc::Status::OK;
            },
            this)));
    AddMethod(new RpcServiceMethod(
        kEcho, RpcMethod::BIDI_STREAMING,
        new grpc::internal::BidiStreamingHandler<Calls, BytesValue, BytesValue>(
            [](Calls*, grpc::ServerContext* context,
               grpc::ServerReaderWriter<BytesValue, BytesValue>* stream) {
              int messages = 0;
              for (BytesValue in; stream->Read(&in); ++messages) stream->Write(in);
              context->AddTrailingMetadata("x-messages", absl::StrCat(messages));
              return grpc::Status::OK;
            },
            this)));
    AddMethod(new RpcServiceMethod(
        kWait, RpcMethod::NORMAL_RPC,
        new grpc::internal::RpcMethodHandler<Calls, BytesValue, BytesValue, MessageLite,
                                             MessageLite>(
            [this](Calls*, grpc::ServerContext* context, const BytesValue*, BytesValue*) {
              while (!context->IsCancelled()) absl::SleepFor(absl::Milliseconds(2));
              cancelled = true;
              return grpc::Status::CANCELLED;
            },
            this)));
  }

  std::atomic<bool> cancelled{false};
};

class GrpcCallsTest : public testing::Test {
 protected:
  GrpcCallsTest() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(&calls_);
    server_ = builder.BuildAndStart();
    ProxyPair::Options options;
    options.protocol = mesh::Protocol::kHttp2;
    pair_ = std::make_unique<ProxyPair>(static_cast<uint16_t>(port_), options);
    channel_ = grpc::CreateChannel(absl::StrCat("127.0.0.1:", pair_->outbound_port()),
                                   grpc::InsecureChannelCredentials());
  }
  ~GrpcCallsTest() override {
    channel_.reset();
    server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(5));
  }

  static std::string Trailer(const grpc::ClientContext& context, const char* name) {
    const auto found = context.GetServerTrailingMetadata().find(name);
    if (found == context.GetServerTrailingMetadata().end()) return "none";
    return std::string(found->second.data(), found->second.size());
  }

  Calls calls_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<ProxyPair> pair_;
  std::shared_ptr<grpc::Channel> channel_;
};

TEST_F(GrpcCallsTest, CarriesAUnaryCallItsTrailersAndItsError) {
  const RpcMethod method(kUnary, RpcMethod::NORMAL_RPC, channel_);
  BytesValue answer;
  {
    grpc::ClientContext context;
    const grpc::Status status =
        grpc::internal::BlockingUnaryCall<BytesValue, BytesValue, MessageLite, MessageLite>(
            channel_.get(), method, &context, Bytes(Large(1)), &answer);
    EXPECT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(answer.value(), Large(1));
    EXPECT_EQ(Trailer(context, "x-size"), "300000");
  }
  grpc::ClientContext context;
  const grpc::Status status =
      grpc::internal::BlockingUnaryCall<BytesValue, BytesValue, MessageLite, MessageLite>(
          channel_.get(), method, &context, Bytes(""), &answer);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(status.error_message(), "nothing: 100% empty");
}

TEST_F(GrpcCallsTest, CarriesAClientsStream) {
  const RpcMethod method(kGather, RpcMethod::CLIENT_STREAMING, channel_);
  grpc::ClientContext context;
  BytesValue answer;
  const std::unique_ptr<grpc::ClientWriter<BytesValue>> writer(
      grpc::internal::ClientWriterFactory<BytesValue>::Create(channel_.get(), method, &context,
                                                              &answer));
  std::string sent;
  for (int i = 0; i < 10; ++i) {
    sent += Large(i);
    EXPECT_TRUE(writer->Write(Bytes(Large(i))));
  }
  writer->WritesDone();
  EXPECT_TRUE(writer->Finish().ok());
  EXPECT_TRUE(answer.value() == sent);
}

TEST_F(GrpcCallsTest, CarriesAServersStream) {
  const RpcMethod method(kScatter, RpcMethod::SERVER_STREAMING, channel_);
  grpc::ClientContext context;
  const std::unique_ptr<grpc::ClientReader<BytesValue>> reader(
      grpc::internal::ClientReaderFactory<BytesValue>::Create(channel_.get(), method, &context,
                                                              Bytes(Large(3))));
  int messages = 0;
  for (BytesValue got; reader->Read(&got); ++messages) {
    EXPECT_TRUE(got.value() == absl::StrCat(Large(3), messages));
  }
  EXPECT_EQ(messages, 20);
  EXPECT_TRUE(reader->Finish().ok());
}

TEST_F(GrpcCallsTest, CarriesBothStreamsAtOnce) {
  const RpcMethod method(kEcho, RpcMethod::BIDI_STREAMING, channel_);
  grpc::ClientContext context;
  const std::unique_ptr<grpc::ClientReaderWriter<BytesValue, BytesValue>> stream(
      grpc::internal::ClientReaderWriterFactory<BytesValue, BytesValue>::Create(channel_.get(),
                                                                                method, &context));
  std::thread writer([&] {
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(stream->Write(Bytes(Large(i))));
    stream->WritesDone();
  });
  int messages = 0;
  for (BytesValue got; stream->Read(&got); ++messages) EXPECT_TRUE(got.value() == Large(messages));
  writer.join();
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(messages, 20);
  EXPECT_EQ(Trailer(context, "x-messages"), "20");
}

TEST_F(GrpcCallsTest, EndsACallAtItsDeadlineOnBothSides) {
  const RpcMethod method(kWait, RpcMethod::NORMAL_RPC, channel_);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(200));
  BytesValue answer;
  const grpc::Status status =
      grpc::internal::BlockingUnaryCall<BytesValue, BytesValue, MessageLite, MessageLite>(
          channel_.get(), method, &context, Bytes("x"), &answer);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  for (int i = 0; i < 1000 && !calls_.cancelled; ++i) absl::SleepFor(absl::Milliseconds(5));
  EXPECT_TRUE(calls_.cancelled);
}

}  // namespace
}  // namespace kith::proxy
