#include "source/proxy/judge.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "source/event/timer.h"
#include "source/jwt/authentication.h"
#include "source/proxy/authorizer.h"
#include "source/proxy/custom.h"

namespace kith::proxy {

using telemetry::Reason;

namespace {

constexpr absl::string_view kDenied = "RBAC: access denied";  // Istio's, to the letter.
constexpr size_t kMaxGrpcMessage = 1024;
constexpr absl::string_view kRateLimited = "local_rate_limited";  // Envoy's.

// Takes the request's token for what it says. False when it is refused: `refusal` is the answer.
bool CheckToken(WorkerState& worker, const Config& config, const Case& of,
                std::shared_ptr<const jwt::Identity>& identity, Routing& refusal) {
  StoredRequest& request = of.request;
  RequestRecord& record = of.record;
  const jwt::Authentication* const authentication = config.authentication.get();
  if (authentication == nullptr || authentication->empty()) return true;
  jwt::Authentication::Outcome outcome = authentication->Authenticate(
      {request.method(), request.path(), record.host, request.headers()},
      worker.options.clock->Now());
  const bool refused = outcome.failure != jwt::Failure::kNone;
  if (refused || outcome.identity != nullptr) {
    worker.observer.CountToken(refused ? jwt::NameOf(outcome.failure) : "verified");
  }
  if (refused) {
    record.reason = Reason::kTokenRefused;
    record.detail = std::string(jwt::TextOf(outcome.failure));
    Reply reply = Reply::Refusal(jwt::StatusOf(outcome.failure), record.detail, request.headers());
    reply.headers.emplace_back("www-authenticate", std::move(outcome.challenge));
    refusal = Routing::Refuse(std::move(reply));
    return false;
  }
  identity = std::move(outcome.identity);
  if (identity != nullptr) {
    record.request_principal = absl::StrCat(identity->issuer, "/", identity->subject);
  }
  if (!outcome.dropped.empty() || !outcome.added.empty() || !outcome.target.empty()) {
    std::vector<http::Header> added;
    for (const auto& [name, value] : outcome.added) added.push_back({name, value});
    const std::string target =
        outcome.target.empty() ? std::string(request.path()) : std::move(outcome.target);
    request.Edit(target, outcome.dropped, added);
  }
  return true;
}

bool CheckLimits(WorkerState& worker, const policy::Request& request, const Case& of,
                 Routing& refusal) {
  const auto verdict = worker.limiter.Take(request, worker.loop.NowMs());
  if (verdict.allowed) return true;
  worker.observer.CountRateLimited(request.kind, verdict.policy);
  of.record.reason = Reason::kRateLimited;
  of.record.detail = std::string(verdict.policy);
  Reply reply = Reply::Refusal(429, kRateLimited, of.request.headers());
  reply.headers.emplace_back("retry-after", absl::StrCat(verdict.retry_after_s));
  refusal = Routing::Refuse(std::move(reply));
  return false;
}

// The request as policies see it, without its token. The views die with the next call.
policy::Request RequestOf(WorkerState& worker, const policy::PolicySet& policies, const Case& of) {
  policy::Request request = of.connection;
  request.kind = policy::Request::Kind::kHttp;
  request.method = of.request.method();
  request.target = of.request.path();
  request.path = request.target.substr(0, request.target.find('?'));
  request.host = of.record.host;
  if (!worker.reads_headers && !policies.reads_headers()) return request;
  std::vector<policy::HeaderView>& headers = worker.header_views;
  headers.clear();
  for (const http::Header& header : of.request.headers()) {
    headers.push_back({header.name, header.value});
  }
  request.headers = headers;
  return request;
}

void Note(const policy::Decision& decision, RequestRecord& record) {
  record.decided = true;
  record.allowed = decision.allowed;
  record.by = DecidingRule::Of(decision);
}

// AUDIT, DENY and ALLOW. False when they refuse.
bool CheckPolicies(WorkerState& worker, const policy::PolicySet& policies,
                   const policy::Request& request, const Case& of, Routing& refusal) {
  const policy::Decision decision = policies.Decide(request);
  worker.observer.CountDecision(request.kind, decision);
  of.record.marks = worker.observer.Mark(policies, request, decision);
  Note(decision, of.record);
  if (decision.allowed) return true;
  of.record.reason = Reason::kPolicyDenied;
  if (decision.policy.empty()) of.record.detail = policies.unmatched();
  refusal = Routing::Refuse(Reply::Refusal(403, kDenied, of.request.headers()));
  return false;
}

// Everything behind CUSTOM, by `config`.
Routing JudgeBy(WorkerState& worker, const Config& config, const Case& of) {
  std::shared_ptr<const jwt::Identity> identity;
  Routing refusal;
  if (!CheckToken(worker, config, of, identity, refusal)) return refusal;
  policy::Request request = RequestOf(worker, *config.policies, of);
  if (identity != nullptr) request.claims = &identity->claims;
  if (!CheckPolicies(worker, *config.policies, request, of, refusal)) return refusal;
  // A wait may have brought newer policies. What passed those that asked is allowed by them, what
  // the newer ones refuse by them: no answer is of both.
  const policy::PolicySet& newest = *worker.config.policies;
  if (config.policies.get() != &newest && !CheckPolicies(worker, newest, request, of, refusal)) {
    return refusal;
  }
  if (!CheckLimits(worker, request, of, refusal)) return refusal;
  return Routing::Forward();
}

// As gRPC writes a message in a header: what is no visible ASCII percent-encoded.
std::string GrpcMessage(absl::string_view text) {
  std::string message;
  for (const char c : text.substr(0, kMaxGrpcMessage)) {
    if (c >= ' ' && c <= '~' && c != '%') {
      message.push_back(c);
    } else {
      absl::StrAppend(&message, "%", absl::Hex(static_cast<uint8_t>(c), absl::kZeroPad2));
    }
  }
  return message;
}

// What the client of a request that an authorizer refused gets: its own words, with a status of
// gRPC's for clients who read no other.
Reply ReplyOf(const extauthz::Verdict& verdict, const StoredRequest& request) {
  Reply reply = Reply::Refusal(verdict.status, "", request.headers());
  const bool typed = std::any_of(
      verdict.headers.begin(), verdict.headers.end(),
      [](const auto& header) { return absl::EqualsIgnoreCase(header.first, "content-type"); });
  // Only a refusal in gRPC's form has more than a type of its own.
  const bool grpc = reply.headers.size() > 1;
  if (!grpc) reply.body = verdict.body;
  if (typed && !grpc) reply.headers.clear();
  for (auto& [name, value] : reply.headers) {
    if (name == "grpc-message") value = GrpcMessage(verdict.body);
  }
  for (const auto& header : verdict.headers) {
    if (!grpc || !absl::EqualsIgnoreCase(header.first, "content-type")) {
      reply.headers.push_back(header);
    }
  }
  return reply;
}

// What the authorizer is shown of this request's body. What may become another protocol has none
// that ends.
extauthz::Provider::Body BodyShown(WorkerState& worker, const policy::CustomMatch& match,
                                   const StoredRequest& request) {
  const Authorizer* const authorizer = worker.authorizers->Find(match.provider);
  if (authorizer == nullptr || request.switches() != StoredRequest::Switch::kNone) return {};
  return authorizer->provider().body;
}

bool IsTooLarge(const extauthz::Provider::Body& shown, const http::Framing& framing) {
  return shown.max_bytes > 0 && !shown.partial && framing.kind == http::BodyKind::kLength &&
         framing.length > shown.max_bytes;
}

Routing BodyTooLarge(const Case& of) {
  of.record.reason = Reason::kRequestTooLarge;
  of.record.detail = "the body is longer than an external authorizer may be shown";
  // The analyzer loses sight of the reply's owner inside the callback.
  // NOLINTNEXTLINE(clang-analyzer-cplusplus.NewDeleteLeaks)
  return Routing::Refuse(Reply::Refusal(413, "the body is too large", of.request.headers()));
}

using Shown = extauthz::Question::Shown;

// A request whose authorizer is being asked, with its body or without.
class Waiting final : public BodyReader {
 public:
  Waiting(WorkerState& worker, const Case& of, const policy::CustomMatch& match,
          const extauthz::Provider::Body& shown, HttpSession::Decided decided)
      : worker_(worker),
        case_(of),
        config_(worker.config),
        match_(match),
        provider_(match.provider),
        shown_(shown),
        decided_(std::move(decided)) {}

  void Ask(absl::string_view body, Shown shown) {
    const policy::Request request = RequestOf(worker_, *config_.policies, case_);
    CustomQuestion question;
    question.policies = config_.policies;
    question.match = match_;
    question.question.request = &request;
    question.question.own_principal = case_.own_principal;
    question.question.time = case_.record.started;
    question.question.id = case_.record.request_id;
    question.question.headers = case_.request.headers();
    question.question.framing = case_.request.framing();
    question.question.shown = shown;
    question.question.body = body;
    asking_ = AskCustom(worker_, std::move(question),
                        [this](CustomAnswer answer) { OnAnswer(std::move(answer)); });
  }

  // BodyReader
  size_t wanted() const override { return shown_.max_bytes; }
  void OnBody(absl::string_view body, Extent extent) override {
    if (extent == Extent::kWhole) return Ask(body, Shown::kWhole);
    if (shown_.partial) return Ask(body, Shown::kBeginning);
    // A verdict never comes within the call.
    soon_ = std::make_unique<event::Timer>(
        worker_.loop, [this] { std::exchange(decided_, nullptr)(BodyTooLarge(case_)); });
    soon_->Start(absl::ZeroDuration());
  }

 private:
  void OnAnswer(CustomAnswer answer) {
    worker_.loop.DeleteLater(std::move(asking_));
    if (!answer.allowed) {
      worker_.observer.CountDecision(policy::Request::Kind::kHttp, answer.decision);
      Note(answer.decision, case_.record);
      case_.record.reason = answer.reason;
      case_.record.detail = std::move(answer.detail);
      // The analyzer loses sight of the reply's owner inside the callback.
      // NOLINTNEXTLINE(clang-analyzer-cplusplus.NewDeleteLeaks)
      return std::exchange(decided_,
                           nullptr)(Routing::Refuse(ReplyOf(answer.verdict, case_.request)));
    }
    ApplyCustom(worker_, provider_, answer.verdict, case_.request);
    Routing routing = JudgeBy(worker_, config_, case_);
    routing.response_headers = std::move(answer.verdict.response_headers);
    std::exchange(decided_, nullptr)(std::move(routing));
  }

  WorkerState& worker_;
  const Case case_;
  const Config config_;  // That asked; what match_ borrows from.
  const policy::CustomMatch match_;
  const std::string provider_;
  const extauthz::Provider::Body shown_;
  HttpSession::Decided decided_;
  std::unique_ptr<event::Timer> soon_;
  std::unique_ptr<event::Deletable> asking_;
};

}  // namespace

Routing JudgeRequest(WorkerState& worker, const Case& of, HttpSession::Decided decided) {
  const policy::PolicySet& policies = *worker.config.policies;
  if (policies.asks()) {
    if (const auto match = policies.MatchCustom(RequestOf(worker, policies, of)); match) {
      const auto shown = BodyShown(worker, *match, of.request);
      if (IsTooLarge(shown, of.request.framing())) return BodyTooLarge(of);
      auto waiting = std::make_unique<Waiting>(worker, of, *match, shown, std::move(decided));
      if (shown.max_bytes > 0) return Routing::AfterBody(std::move(waiting));
      waiting->Ask({}, Shown::kNothing);
      return Routing::Pending(std::move(waiting));
    }
  }
  return JudgeBy(worker, worker.config, of);
}

bool JudgeConnection(WorkerState& worker, const policy::Request& connection, std::string& policy) {
  const auto verdict = worker.limiter.Take(connection, worker.loop.NowMs());
  if (verdict.allowed) return true;
  worker.observer.CountRateLimited(connection.kind, verdict.policy);
  policy = std::string(verdict.policy);
  return false;
}

}  // namespace kith::proxy
