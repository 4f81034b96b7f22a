#include "source/proxy/custom.h"

#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "source/extauthz/http_check.h"
#include "source/proxy/authorizer.h"

namespace kith::proxy {

using extauthz::HeaderEdit;
using extauthz::Provider;
using extauthz::Verdict;
using telemetry::Reason;

namespace {

// A question, with what its answer is read by.
class Asking final : public event::Deletable {
 public:
  Asking(WorkerState& worker, CustomQuestion question, absl::AnyInvocable<void(CustomAnswer)> done)
      : worker_(worker),
        policies_(std::move(question.policies)),
        match_(question.match),
        done_(std::move(done)),
        soon_(worker.loop, [this] { OnVerdict(Verdict::Failed(std::move(problem_))); }) {
    Authorizer* const authorizer = worker.authorizers->Find(match_.provider);
    if (authorizer == nullptr) {
      problem_ = match_.provider.empty()
                     ? "CUSTOM policies of several providers select this workload: none is asked"
                     : absl::StrCat("ask ", match_.provider,
                                    ": no extension provider of the mesh "
                                    "has that name");
      soon_.Start(absl::ZeroDuration());
      return;
    }
    fail_open_ = authorizer->provider().fail_open;
    status_on_error_ = authorizer->provider().status_on_error;
    call_ = authorizer->Ask(question.question, [this](Verdict verdict) {
      worker_.loop.DeleteLater(std::move(call_));
      OnVerdict(std::move(verdict));
    });
  }

 private:
  void OnVerdict(Verdict verdict) {
    CustomAnswer answer;
    const bool failed = verdict.outcome == Verdict::Outcome::kFailed;
    answer.allowed = verdict.outcome == Verdict::Outcome::kAllowed || (failed && fail_open_);
    answer.detail = verdict.detail;
    if (!answer.allowed) {
      answer.reason = failed ? Reason::kExternalFailed : Reason::kExternalDenied;
      answer.decision.allowed = false;
      answer.decision.policy = match_.policy;
      answer.decision.rule = match_.rule;
      answer.decision.from = match_.from;
      answer.decision.to = match_.to;
      if (failed) {
        verdict.status = status_on_error_;
        verdict.headers.clear();
      }
    }
    const absl::string_view result = !failed          ? (answer.allowed ? "allowed" : "denied")
                                     : answer.allowed ? "failed_open"
                                                      : "failed";
    worker_.observer.CountExternalAuthorization(
        match_.provider.empty() ? "several" : match_.provider, result);
    answer.verdict = std::move(verdict);
    std::exchange(done_, nullptr)(std::move(answer));
  }

  WorkerState& worker_;
  const std::shared_ptr<const policy::PolicySet> policies_;  // What match_ borrows from.
  const policy::CustomMatch match_;
  absl::AnyInvocable<void(CustomAnswer)> done_;
  bool fail_open_ = false;
  int status_on_error_ = 403;
  std::string problem_;
  event::Timer soon_;
  std::unique_ptr<event::Deletable> call_;
};

bool Has(const StoredRequest& request, absl::string_view name) {
  return http::Find(request.headers(), name) != nullptr;
}

}  // namespace

std::unique_ptr<event::Deletable> AskCustom(WorkerState& worker, CustomQuestion question,
                                            absl::AnyInvocable<void(CustomAnswer)> done) {
  return std::make_unique<Asking>(worker, std::move(question), std::move(done));
}

void ApplyCustom(WorkerState& worker, absl::string_view provider, const Verdict& verdict,
                 StoredRequest& request) {
  std::vector<absl::string_view> dropped(verdict.removed.begin(), verdict.removed.end());
  // The configuration may be a newer one by now: then there is nothing to go by, and the request
  // has been asked about as it is.
  if (const Authorizer* const authorizer = worker.authorizers->Find(provider);
      authorizer != nullptr && authorizer->provider().protocol == Provider::Protocol::kHttp) {
    for (const absl::string_view name :
         extauthz::Forgeable(authorizer->provider(), request.headers())) {
      dropped.push_back(name);
    }
  }
  std::vector<http::Header> added;
  for (const HeaderEdit& edit : verdict.edits) {
    const bool there = Has(request, edit.name);
    switch (edit.action) {
      case HeaderEdit::Action::kOverwriteIfExists:
        if (!there) continue;
        [[fallthrough]];
      case HeaderEdit::Action::kOverwrite:
        dropped.push_back(edit.name);
        break;
      case HeaderEdit::Action::kAddIfAbsent:
        if (there) continue;
        break;
      case HeaderEdit::Action::kAppend:
        break;
    }
    added.push_back({edit.name, edit.value});
  }
  if (dropped.empty() && added.empty()) return;
  const std::string target(request.path());
  request.Edit(target, dropped, added);
}

std::unique_ptr<event::Deletable> AskAboutConnection(WorkerState& worker,
                                                     const policy::Request& connection,
                                                     absl::string_view own_principal,
                                                     absl::AnyInvocable<void(CustomAnswer)> done) {
  const auto match = worker.config.policies->MatchCustom(connection);
  if (!match) return nullptr;
  const Authorizer* const authorizer = worker.authorizers->Find(match->provider);
  if (authorizer != nullptr && authorizer->provider().protocol == Provider::Protocol::kHttp) {
    return nullptr;
  }
  CustomQuestion question;
  question.policies = worker.config.policies;
  question.match = *match;
  question.question.request = &connection;
  question.question.own_principal = own_principal;
  question.question.time = worker.options.clock->Now();
  return AskCustom(worker, std::move(question), std::move(done));
}

}  // namespace kith::proxy
