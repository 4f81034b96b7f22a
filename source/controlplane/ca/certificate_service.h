// The gRPC certificate service (api/istio/v1/auth): a bearer token says who calls, and the
// certificate is for that identity whatever the request says.
// Threads: gRPC's, at once; the work of a call is done on the thread that brings it.
// Owns: the callback; everything else given to it must outlive the server.
// Errors: UNAUTHENTICATED for the token, INVALID_ARGUMENT for the request, FAILED_PRECONDITION when
// the issuer has ended, UNAVAILABLE when the audit log cannot be written.
#pragma once

#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "istio/v1/auth/ca.grpc.pb.h"
#include "source/controlplane/ca/audit_log.h"
#include "source/controlplane/ca/authenticate.h"
#include "source/controlplane/ca/authority.h"
#include "source/controlplane/ca/ca_metrics.h"
#include "source/controlplane/ca/caller.h"

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
    // Called on gRPC's threads, several at once. May be empty.
    absl::AnyInvocable<void(const Issuance&) const> issued = nullptr;
  };
  explicit CertificateService(Options options) : options_(std::move(options)) {}

  grpc::ServerUnaryReactor* CreateCertificate(
      grpc::CallbackServerContext* context, const istio::v1::auth::IstioCertificateRequest* request,
      istio::v1::auth::IstioCertificateResponse* response) override;

 private:
  absl::Status Handle(const grpc::CallbackServerContext& context,
                      const istio::v1::auth::IstioCertificateRequest& request,
                      istio::v1::auth::IstioCertificateResponse& response) const;
  // Refusals before the authority is asked, which records its own.
  absl::Status Refused(const absl::Status& why, Refusal refusal, const Requester& requester) const;

  Options options_;
};

}  // namespace kith::controlplane
