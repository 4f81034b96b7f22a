#include "source/controlplane/ca/certificate_service.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "source/base/join_token.h"
#include "source/base/log.h"
#include "source/base/status.h"
#include "source/controlplane/ca/refusal.h"
#include "source/controlplane/ca/signing_request.h"

namespace kith::controlplane {
namespace {

using istio::v1::auth::IstioCertificateRequest;
using istio::v1::auth::IstioCertificateResponse;

// Istio's keys change who the certificate is for or who signs it. To ignore them would issue
// something else than was asked for.
absl::Status CheckMetadata(const IstioCertificateRequest& request) {
  for (const char* key : {"ImpersonatedIdentity", "CertSigner"}) {
    if (request.metadata().fields().contains(key)) {
      return Refuse(absl::StatusCode::kInvalidArgument, Refusal::kRequestUnsupported,
                    absl::StrCat("request metadata ", key, " is not supported; leave it out"));
    }
  }
  if (request.validity_duration() < 0) {
    return Refuse(absl::StatusCode::kInvalidArgument, Refusal::kRequestLifetime,
                  "validity_duration is negative; give seconds, or zero for the default");
  }
  return absl::OkStatus();
}

// What is not the caller's fault.
void LogInability(const absl::Status& status) {
  if (status.ok() || RefusalOf(status) < Refusal::kIssuerExpired) return;
  base::Log(base::LogLevel::kError, "ca", "cannot issue certificates",
            {{"error", std::string(status.message())}});
}

}  // namespace

grpc::ServerUnaryReactor* CertificateService::CreateCertificate(
    grpc::CallbackServerContext* context, const IstioCertificateRequest* request,
    IstioCertificateResponse* response) {
  const auto start = std::chrono::steady_clock::now();
  Admission admission;
  absl::Status status = Handle(*context, *request, *response, admission);
  if (absl::IsResourceExhausted(status)) {
    context->AddTrailingMetadata("grpc-retry-pushback-ms",
                                 absl::StrCat(absl::ToInt64Milliseconds(admission.retry_after)));
  }
  if (status.ok() && !admission.token.empty()) {
    context->AddTrailingMetadata(base::kGivenTokenMetadata, admission.token);
  }
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  auto finish = [this, reactor, start,
                 ticket = std::move(admission.ticket)](const absl::Status& outcome) mutable {
    LogInability(outcome);
    options_.metrics->CountRequest(RefusalOf(outcome),
                                   absl::FromChrono(std::chrono::steady_clock::now() - start));
    // Once it is answered the server may be gone, and the bounds with it.
    ticket.reset();
    reactor->Finish(ToGrpc(outcome));
  };
  if (status.ok()) {
    // A certificate leaves only after its record has.
    options_.audit->WhenFlushed(admission.audit_line, std::move(finish));
  } else {
    finish(status);
  }
  return reactor;
}

absl::Status CertificateService::Refused(const absl::Status& why, Refusal refusal,
                                         const Requester& requester) const {
  AuditEntry entry;
  entry.refusal = refusal;
  entry.caller = requester.caller;
  entry.token_id = requester.token_id;
  entry.peer = requester.peer;
  entry.detail = std::string(why.message());
  // The refusal stands whether or not it can be recorded.
  options_.audit->Append(entry).IgnoreError();
  return Refuse(why.code(), refusal, why.message());
}

absl::Status CertificateService::CheckBounds(const Caller& caller,
                                             const IstioCertificateRequest& request,
                                             Admission& admission) const {
  absl::StatusOr<IssueBounds::Ticket> ticket =
      options_.bounds->Admit(caller, admission.retry_after);
  if (!ticket.ok()) return ticket.status();
  admission.ticket.emplace(*std::move(ticket));
  const absl::Duration most = options_.bounds->MaxLifetime(caller);
  admission.lifetime = absl::Seconds(request.validity_duration());
  // Zero asks for the authority's default, which may be more than the namespace is allowed.
  if (most != absl::InfiniteDuration()) {
    admission.lifetime = admission.lifetime == absl::ZeroDuration()
                             ? std::min(most, options_.authority->default_leaf_lifetime())
                             : std::min(most, admission.lifetime);
  }
  if (!options_.bounds->ChecksKeyTypes(caller)) return absl::OkStatus();
  const absl::StatusOr<SigningRequest> parsed = ParseSigningRequest(request.csr());
  if (!parsed.ok()) return parsed.status();
  return options_.bounds->CheckKeyType(caller, parsed->key_type);
}

absl::Status CertificateService::Handle(const grpc::CallbackServerContext& context,
                                        const IstioCertificateRequest& request,
                                        IstioCertificateResponse& response,
                                        Admission& admission) const {
  Requester requester;
  requester.peer = context.peer();
  absl::StatusOr<Caller> caller = options_.authenticator->Authenticate(context.client_metadata());
  if (!caller.ok()) return Refused(caller.status(), Refusal::kUnauthenticated, requester);
  requester.caller = caller->ToString();
  if (!caller->pod.empty()) absl::StrAppend(&requester.caller, " pod ", caller->pod);
  requester.token_id = caller->token_id;
  absl::StatusOr<base::SpiffeId> id = caller->Id(options_.authority->trust_domain());
  if (!id.ok()) return Refused(id.status(), Refusal::kUnauthenticated, requester);
  absl::Status usable = CheckMetadata(request);
  if (!usable.ok()) return Refused(usable, RefusalOf(usable), requester);

  absl::Status in_force = options_.revocations->CheckPrincipal(id->text());
  if (!in_force.ok()) return Refused(in_force, RefusalOf(in_force), requester);

  const absl::Status within = CheckBounds(*caller, request, admission);
  if (!within.ok()) return Refused(within, RefusalOf(within), requester);

  absl::StatusOr<IssuedCertificate> made =
      options_.authority->IssueLeaf(*id, request.csr(), admission.lifetime, requester);
  if (!made.ok()) return made.status();
  admission.audit_line = made->audit_line;
  // Again, now that the certificate is where a revocation looks for it (revocation_list.h).
  in_force = options_.revocations->CheckPrincipal(id->text());
  if (!in_force.ok()) return Refused(in_force, RefusalOf(in_force), requester);
  const bool replace = options_.tokens != nullptr &&
                       options_.tokens->options().clock->Now() >= caller->replace_token_from;
  if (replace) {
    KITH_ASSIGN_OR_RETURN(
        IssuedToken token,
        options_.tokens->CreateJoined(caller->name_space, caller->service_account, requester.peer));
    admission.token = std::move(token.token);
  }
  for (std::string& pem : made->chain_pem) response.add_cert_chain(std::move(pem));
  if (options_.issued) {
    options_.issued({*std::move(caller), id->text(), made->serial, made->not_before,
                     made->not_after, requester.peer});
  }
  return absl::OkStatus();
}

}  // namespace kith::controlplane
