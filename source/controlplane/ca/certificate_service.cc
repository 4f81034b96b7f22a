#include "source/controlplane/ca/certificate_service.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "source/base/log.h"
#include "source/base/status.h"
#include "source/controlplane/ca/refusal.h"

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

}  // namespace

grpc::ServerUnaryReactor* CertificateService::CreateCertificate(
    grpc::CallbackServerContext* context, const IstioCertificateRequest* request,
    IstioCertificateResponse* response) {
  const auto start = std::chrono::steady_clock::now();
  absl::Status status = Handle(*context, *request, *response);
  options_.metrics->CountRequest(RefusalOf(status),
                                 absl::FromChrono(std::chrono::steady_clock::now() - start));
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(ToGrpc(status));
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

absl::Status CertificateService::Handle(const grpc::CallbackServerContext& context,
                                        const IstioCertificateRequest& request,
                                        IstioCertificateResponse& response) const {
  Requester requester;
  requester.peer = context.peer();
  absl::StatusOr<Caller> caller = options_.authenticator->Authenticate(context.client_metadata());
  if (!caller.ok()) return Refused(caller.status(), Refusal::kUnauthenticated, requester);
  requester.caller = caller->ToString();
  requester.token_id = caller->token_id;
  absl::StatusOr<base::SpiffeId> id = caller->Id(options_.authority->trust_domain());
  if (!id.ok()) return Refused(id.status(), Refusal::kUnauthenticated, requester);
  absl::Status usable = CheckMetadata(request);
  if (!usable.ok()) return Refused(usable, RefusalOf(usable), requester);

  absl::StatusOr<IssuedCertificate> made = options_.authority->IssueLeaf(
      *id, request.csr(), absl::Seconds(request.validity_duration()), requester);
  if (!made.ok()) {
    if (RefusalOf(made.status()) >= Refusal::kIssuerExpired) {
      base::Log(base::LogLevel::kError, "ca", "cannot issue certificates",
                {{"error", std::string(made.status().message())}});
    }
    return made.status();
  }
  for (std::string& pem : made->chain_pem) response.add_cert_chain(std::move(pem));
  if (options_.issued) {
    options_.issued({*std::move(caller), id->text(), made->serial, made->not_before,
                     made->not_after, requester.peer});
  }
  return absl::OkStatus();
}

}  // namespace kith::controlplane
