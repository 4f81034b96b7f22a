#include "source/proxy/judge.h"

#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "source/jwt/authentication.h"

namespace kith::proxy {

using telemetry::Reason;

namespace {

constexpr absl::string_view kDenied = "RBAC: access denied";      // Istio's, to the letter.
constexpr absl::string_view kRateLimited = "local_rate_limited";  // Envoy's.

// Takes the request's token for what it says. False when it is refused: `refusal` is the answer.
bool CheckToken(WorkerState& worker, StoredRequest& request, RequestRecord& record,
                std::shared_ptr<const jwt::Identity>& identity, Routing& refusal) {
  const jwt::Authentication* const authentication = worker.config.authentication.get();
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

bool CheckLimits(WorkerState& worker, const policy::Request& request, RequestRecord& record,
                 const StoredRequest& stored, Routing& refusal) {
  const auto verdict = worker.limiter.Take(request, worker.loop.NowMs());
  if (verdict.allowed) return true;
  worker.observer.CountRateLimited(request.kind, verdict.policy);
  record.reason = Reason::kRateLimited;
  record.detail = std::string(verdict.policy);
  Reply reply = Reply::Refusal(429, kRateLimited, stored.headers());
  reply.headers.emplace_back("retry-after", absl::StrCat(verdict.retry_after_s));
  refusal = Routing::Refuse(std::move(reply));
  return false;
}

}  // namespace

policy::Decision Decide(const policy::PolicySet& policies, const policy::Request& known) {
  policy::Request request = known;
  // Only what rate limits go by is read of a certificate; a condition on anything else of it must
  // not take what was not read for absent.
  request.certificate = nullptr;
  const absl::optional<policy::CustomMatch> custom = policies.MatchCustom(request);
  if (!custom) return policies.Decide(request);
  policy::Decision decision;
  decision.allowed = false;
  decision.policy = custom->policy;
  decision.rule = custom->rule;
  return decision;
}

Routing JudgeRequest(WorkerState& worker, const policy::Request& connection, StoredRequest& stored,
                     RequestRecord& record) {
  std::shared_ptr<const jwt::Identity> identity;
  Routing refusal;
  if (!CheckToken(worker, stored, record, identity, refusal)) return refusal;

  policy::Request request = connection;
  request.kind = policy::Request::Kind::kHttp;
  request.method = stored.method();
  request.target = stored.path();
  request.path = request.target.substr(0, request.target.find('?'));
  request.host = record.host;
  std::vector<policy::HeaderView>& headers = worker.header_views;
  headers.clear();
  for (const http::Header& header : stored.headers()) {
    headers.push_back({header.name, header.value});
  }
  request.headers = headers;
  if (identity != nullptr) request.claims = &identity->claims;

  const policy::PolicySet& policies = *worker.config.policies;
  const policy::Decision decision = Decide(policies, request);
  worker.observer.CountDecision(request.kind, decision);
  record.marks = worker.observer.Mark(policies, request, decision);
  record.decided = true;
  record.allowed = decision.allowed;
  record.policy.assign(decision.policy.data(), decision.policy.size());
  record.rule = decision.rule;
  if (!decision.allowed) {
    record.reason = Reason::kPolicyDenied;
    if (decision.policy.empty()) record.detail = policies.unmatched();
    return Routing::Refuse(Reply::Refusal(403, kDenied, stored.headers()));
  }
  if (!CheckLimits(worker, request, record, stored, refusal)) return refusal;
  return Routing::Forward();
}

bool JudgeConnection(WorkerState& worker, const policy::Request& connection, std::string& policy) {
  const auto verdict = worker.limiter.Take(connection, worker.loop.NowMs());
  if (verdict.allowed) return true;
  worker.observer.CountRateLimited(connection.kind, verdict.policy);
  policy = std::string(verdict.policy);
  return false;
}

}  // namespace kith::proxy
