#include "source/proxy/authorizer.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "source/extauthz/grpc_check.h"
#include "source/extauthz/http_check.h"

namespace kith::proxy {

using extauthz::Provider;
using extauthz::Question;
using extauthz::Verdict;

namespace {

// Of an answer's body: what a client is shown, or one CheckResponse.
constexpr size_t kMaxAnswer = 64 * 1024;
constexpr size_t kMaxAttempts = 3;

bool IsGrpc(const Provider& provider) { return provider.protocol == Provider::Protocol::kGrpc; }

OutboundOptions OptionsOf(const Provider& provider) {
  OutboundOptions options;
  options.service = provider.service;
  options.port = provider.port;
  return options;
}

}  // namespace

// A question on its way to one authorizer.
class Authorizer::Call final : public event::Deletable, private ResponseSink {
 public:
  Call(std::shared_ptr<Authorizer> authorizer, const Question& question, Done done)
      : authorizer_(std::move(authorizer)),
        done_(std::move(done)),
        deadline_(worker().loop, [this] { OnTimeout(); }) {
    ++authorizer_->asked_;
    if (IsGrpc(provider())) {
      WriteGrpc(question);
    } else {
      WriteHttp(question);
    }
  }
  ~Call() override {
    --authorizer_->asked_;
    Release();
  }

  void Start() {
    starting_ = true;
    if (authorizer_->asked_ > kMaxQuestions) {
      Fail(absl::StrCat("more than ", kMaxQuestions, " questions wait for it already"));
    } else {
      deadline_.Set(provider().timeout);
      Attempt();
    }
    starting_ = false;
  }

 private:
  WorkerState& worker() { return authorizer_->worker_; }
  const Provider& provider() const { return authorizer_->provider_; }

  void WriteGrpc(const Question& question) {
    body_ = extauthz::EncodeCheck(question, provider().body.as_bytes ? extauthz::BodyField::kBytes
                                                                     : extauthz::BodyField::kText);
    const std::string host = provider().where();
    const std::string length = absl::StrCat(body_.size());
    const std::string timeout =
        absl::StrCat(absl::ToInt64Milliseconds(provider().timeout), "m");  // gRPC's milliseconds.
    http::RequestHead head;
    head.method = "POST";
    head.framing = {http::BodyKind::kLength, body_.size()};
    head.headers = {{"host", host},
                    {"content-type", "application/grpc"},
                    {"te", "trailers"},
                    {"grpc-timeout", timeout},
                    {"content-length", length}};
    request_.Assign(head, extauthz::kCheckPath, {}, {});
  }

  void WriteHttp(const Question& question) {
    http::RequestHead head;
    head.method = question.request->method;
    head.headers = extauthz::CheckHeaders(provider(), question);
    head.headers.push_back({"host", question.request->host});
    body_ = std::string(question.body);
    const std::string length = absl::StrCat(body_.size());
    head.headers.push_back({"content-length", length});
    if (!body_.empty()) head.framing = {http::BodyKind::kLength, body_.size()};
    const std::string path = absl::StrCat(provider().path_prefix, question.request->target);
    request_.Assign(head, path, {}, {});
  }

  // ---- The way there ----

  void Attempt() {
    telemetry::Reason reason = telemetry::Reason::kNone;
    endpoint_ = authorizer_->port_.Choose(tried_, absl::nullopt, reason);
    if (endpoint_ == nullptr) {
      return Fail(!problem_.empty()
                      ? problem_
                      : absl::StrCat("no endpoint of it is known (", telemetry::Name(reason),
                                     "); is its service in the registry?"));
    }
    endpoint_->AddActive();
    if (const Endpoint::Leg ready = endpoint_->TakeLeg(); ready.leg != nullptr) {
      return SendOver(ready);
    }
    waiting_ = endpoint_->AwaitLeg([this](const Endpoint::Leg& leg) {
      worker().loop.DeleteLater(std::move(waiting_));
      if (leg.status.ok()) return SendOver(leg);
      problem_ = std::string(leg.status.message());
      tried_.push_back(endpoint_);
      TryAgain();
    });
  }

  void SendOver(const Endpoint::Leg& leg) {
    leg_ = leg.leg;
    leg_->SendHead(request_, *this);
    if (leg_ == nullptr) return;  // It broke at once.
    if (!body_.empty()) {
      leg_->SendBody(
          absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(body_.data()), body_.size()));
    }
    leg_->SendEnd({});
  }

  void TryAgain() {
    LeaveEndpoint();
    if (++attempts_ < kMaxAttempts) {
      Attempt();
    } else {
      Fail(problem_);
    }
  }

  // ---- The answer ----

  // A gRPC status is in the trailers, or in the head of a response that has nothing else.
  void TakeGrpcStatus(absl::Span<const http::Header> headers) {
    for (const http::Header& header : headers) {
      if (absl::EqualsIgnoreCase(header.name, "grpc-status"))
        grpc_status_ = std::string(header.value);
      if (absl::EqualsIgnoreCase(header.name, "grpc-message")) {
        grpc_message_ = std::string(header.value.substr(0, 256));
      }
    }
  }

  void OnResponseHead(const http::ResponseHead& head) override {
    if (head.is_informational()) return;
    status_ = head.status;
    if (IsGrpc(provider())) return TakeGrpcStatus(head.headers);
    for (const http::Header& header : head.headers) {
      if (!header.hop_by_hop) headers_.emplace_back(header.name, header.value);
    }
  }

  void OnResponseBody(absl::Span<const uint8_t> bytes) override {
    if (answer_.size() + bytes.size() > kMaxAnswer) {
      return Fail(absl::StrCat("its answer is longer than ", kMaxAnswer, " bytes"));
    }
    answer_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }

  void OnResponseTrailers(absl::Span<const http::Header> trailers) override {
    if (IsGrpc(provider())) TakeGrpcStatus(trailers);
  }

  void OnResponseComplete() override {
    leg_ = nullptr;
    Finish(IsGrpc(provider())
               ? GrpcVerdict()
               : extauthz::ReadAnswer(provider(), status_, headers_, std::move(answer_)));
  }

  void OnResponseFailed(const Failure& failure) override {
    leg_ = nullptr;
    problem_ = failure.detail;
    // A question changes nothing, so it may be asked again wherever no answer has begun.
    if (failure.repeat == Failure::Repeat::kNever) return Fail(problem_);
    status_ = 0;
    headers_.clear();
    answer_.clear();
    TryAgain();
  }

  void OnRequestDrained() override {}

  Verdict GrpcVerdict() const {
    if (status_ != 200) return Verdict::Failed(absl::StrCat("it answered HTTP ", status_));
    if (grpc_status_ != "0") {
      return Verdict::Failed(absl::StrCat(
          "it answered gRPC status ", grpc_status_.empty() ? "none" : grpc_status_.substr(0, 16),
          grpc_message_.empty() ? "" : ": ", grpc_message_));
    }
    const auto message = extauthz::Unframe(answer_);
    if (!message.ok()) return Verdict::Failed(std::string(message.status().message()));
    return extauthz::DecodeCheck(*message);
  }

  // ---- The end ----

  void OnTimeout() {
    // What could not be done while the question was being asked.
    if (pending_.has_value()) return Finish(*std::move(pending_));
    Fail(absl::StrCat("no answer within ", absl::FormatDuration(provider().timeout)));
  }

  void Fail(absl::string_view problem) {
    Finish(Verdict::Failed(
        absl::StrCat("ask ", provider().name, " at ", provider().where(), ": ", problem)));
  }

  void Finish(Verdict verdict) {
    if (starting_) {
      pending_ = std::move(verdict);
      deadline_.Set(absl::Milliseconds(1));
      return;
    }
    if (!done_) return;
    Release();
    if (verdict.outcome == Verdict::Outcome::kFailed && !absl::StartsWith(verdict.detail, "ask ")) {
      verdict.detail =
          absl::StrCat("ask ", provider().name, " at ", provider().where(), ": ", verdict.detail);
    }
    std::exchange(done_, nullptr)(std::move(verdict));
  }

  void LeaveEndpoint() {
    if (endpoint_ != nullptr) endpoint_->RemoveActive();
    endpoint_ = nullptr;
  }

  void Release() {
    deadline_.Clear();
    if (waiting_ != nullptr) worker().loop.DeleteLater(std::move(waiting_));
    if (leg_ != nullptr) std::exchange(leg_, nullptr)->Abandon();
    LeaveEndpoint();
  }

  const std::shared_ptr<Authorizer> authorizer_;
  Done done_;
  Deadline deadline_;
  StoredRequest request_;
  std::string body_;
  bool starting_ = false;
  absl::optional<Verdict> pending_;  // Known before Start() has returned.
  std::vector<std::shared_ptr<Endpoint>> tried_;
  size_t attempts_ = 0;
  std::string problem_;  // Of the last attempt.
  std::shared_ptr<Endpoint> endpoint_;
  std::unique_ptr<event::Deletable> waiting_;  // For a leg.
  RequestLeg* leg_ = nullptr;
  int status_ = 0;
  extauthz::TextHeaders headers_;
  std::string answer_;
  std::string grpc_status_, grpc_message_;
};

Authorizer::Authorizer(WorkerState& worker, Provider provider)
    : worker_(worker), provider_(std::move(provider)), port_(worker, OptionsOf(provider_)) {}

void Authorizer::Update(const mesh::Snapshot& snapshot) {
  // Its protocol is the provider's to say, whatever the service declares for others.
  mesh::ServicePort port;
  const mesh::Service* const known = snapshot.FindService(provider_.service);
  const mesh::ServicePort* const declared =
      known == nullptr ? nullptr : known->FindPort(provider_.port);
  if (declared != nullptr) {
    port = *declared;
  } else {
    for (const std::string& text : provider_.addresses) {
      mesh::Endpoint endpoint;
      endpoint.tls = mesh::EndpointTls::kPlaintext;
      auto address = base::SocketAddress::Parse(text);
      if (!address.ok()) continue;  // A name: nobody resolves one here.
      endpoint.address = *std::move(address);
      port.endpoints.push_back(std::move(endpoint));
    }
  }
  port.number = provider_.port;
  port.protocol = IsGrpc(provider_) ? mesh::Protocol::kHttp2 : mesh::Protocol::kHttp;
  auto service = std::make_shared<mesh::Service>();
  service->host = provider_.service;
  service->ports = {std::move(port)};
  mesh::Snapshot only;
  only.services[provider_.service] = std::move(service);
  port_.Update(only);
}

std::unique_ptr<event::Deletable> Authorizer::Ask(const Question& question, Done done) {
  auto call = std::make_unique<Call>(shared_from_this(), question, std::move(done));
  call->Start();
  return call;
}

void Authorizers::Update(const std::vector<Provider>& providers, const mesh::Snapshot& snapshot) {
  absl::flat_hash_map<std::string, std::shared_ptr<Authorizer>> next;
  for (const Provider& provider : providers) {
    const auto before = by_name_.find(provider.name);
    const bool same = before != by_name_.end() && before->second->provider() == provider;
    auto authorizer = same ? before->second : std::make_shared<Authorizer>(worker_, provider);
    authorizer->Update(snapshot);
    next[provider.name] = std::move(authorizer);
  }
  for (const auto& [name, authorizer] : by_name_) {
    const auto kept = next.find(name);
    if (kept == next.end() || kept->second != authorizer) authorizer->Retire();
  }
  by_name_ = std::move(next);
}

Authorizer* Authorizers::Find(absl::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second.get();
}

}  // namespace kith::proxy
