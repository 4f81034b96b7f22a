// The gRPC certificate service (api/istio/v1/auth): a bearer token says who calls, and the
// certificate is for that identity whatever the request says.
// Threads: gRPC's, at once; the work of a call is done on the thread that brings it,
// and its answer leaves once the audit log is on the disk.
// Owns: the callback; everything else given to it must outlive the server.
// Errors: UNAUTHENTICATED for the token, INVALID_ARGUMENT for the request, FAILED_PRECONDITION when
// the issuer has ended, PERMISSION_DENIED for who is revoked or not
// allowed, RESOURCE_EXHAUSTED with grpc-retry-pushback-ms for who asks too often, UNAVAILABLE when
// the audit log cannot be written.
#pragma once

#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "istio/v1/auth/ca.grpc.pb.h"
#include "source/controlplane/ca/audit_log.h"
#include "source/controlplane/ca/authenticate.h"
#include "source/controlplane/ca/authority.h"
#include "source/controlplane/ca/ca_metrics.h"
#include "source/controlplane/ca/caller.h"
#include "source/controlplane/ca/issue_bounds.h"
#include "source/controlplane/ca/revocation_list.h"
#include "source/controlplane/ca/token_issuer.h"

namespace kith::controlplane {

// A certificate that has just been issued: for the status page.
struct Issuance {
  Caller caller;
  std::string spiffe_id;
  std::string serial;
  absl::Time not_before;
  absl::Time not_after;
  std::string peer;
};

class CertificateService final : public istio::v1::auth::IstioCertificateService::CallbackService {
 public:
  struct Options {
    const CertificateAuthority* authority = nullptr;
    const Authenticator* authenticator = nullptr;
    AuditLog* audit = nullptr;
    CaMetrics* metrics = nullptr;
    const RevocationList* revocations = nullptr;
    IssueBounds* bounds = nullptr;
    // For callers whose token is to be replaced (caller.h); null: nobody is given one.
    const TokenIssuer* tokens = nullptr;
    // Called on gRPC's threads, several at once. May be empty.
    absl::AnyInvocable<void(const Issuance&) const> issued = nullptr;
  };
  explicit CertificateService(Options options) : options_(std::move(options)) {}

  grpc::ServerUnaryReactor* CreateCertificate(
      grpc::CallbackServerContext* context, const istio::v1::auth::IstioCertificateRequest* request,
      istio::v1::auth::IstioCertificateResponse* response) override;

 private:
  // What a call holds until it is answered.
  struct Admission {
    absl::optional<IssueBounds::Ticket> ticket;
    absl::Duration lifetime;     // What is asked for, within the namespace's bound.
    absl::Duration retry_after;  // Of a refusal for now.
    std::string token;           // That is to go with the certificate; secret.
    AuditLog::Line audit_line = 0;
  };
  absl::Status Handle(const grpc::CallbackServerContext& context,
                      const istio::v1::auth::IstioCertificateRequest& request,
                      istio::v1::auth::IstioCertificateResponse& response,
                      Admission& admission) const;
  absl::Status CheckBounds(const Caller& caller,
                           const istio::v1::auth::IstioCertificateRequest& request,
                           Admission& admission) const;
  // Refusals that are not the authority's, which records its own.
  absl::Status Refused(const absl::Status& why, Refusal refusal, const Requester& requester) const;

  Options options_;
};

}  // namespace kith::controlplane
