#include "source/control/certificate_client.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "istio/v1/auth/ca.grpc.pb.h"
#include "source/base/join_token.h"
#include "source/base/log.h"
#include "source/base/status.h"
#include "source/control/token.h"

namespace kith::control {
namespace {

constexpr int kMaxElements = 12;  // A leaf, ten intermediates, the roots.
constexpr size_t kMaxReplyBytes = 1024 * 1024;
constexpr absl::string_view kAttempted = "request a certificate";

absl::Status BadReply(absl::string_view problem) {
  return absl::DataLossError(absl::StrCat(kAttempted, ": the reply ", problem));
}

}  // namespace

struct CertificateClient::Call {
  grpc::ClientContext context;
  istio::v1::auth::IstioCertificateRequest request;
  istio::v1::auth::IstioCertificateResponse response;
  std::unique_ptr<istio::v1::auth::IstioCertificateService::Stub> stub;
  Done done;
};

struct CertificateClient::Calls {
  std::mutex mutex;  // Guards `pending`.
  std::condition_variable ended;
  absl::flat_hash_set<Call*> pending;
  bool closed = false;  // The loop's.
};

CertificateClient::CertificateClient(event::Loop& loop, Channel& channel, Options options)
    : loop_(loop),
      channel_(channel),
      options_(std::move(options)),
      calls_(std::make_shared<Calls>()) {}

CertificateClient::~CertificateClient() {
  calls_->closed = true;
  std::unique_lock<std::mutex> lock(calls_->mutex);
  for (Call* call : calls_->pending) call->context.TryCancel();
  // Their callbacks use the loop, so it must not go first.
  calls_->ended.wait(lock, [this] { return calls_->pending.empty(); });
}

absl::StatusOr<std::string> CertificateClient::Token() const {
  KITH_ASSIGN_OR_RETURN(std::string token, ReadToken(options_.token_file));
  if (!IsJoinToken(token)) return token;
  if (options_.given_tokens == GivenTokens::kIgnored) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the token file ", options_.token_file,
        " holds a join token, which is for Kith's control plane; put another kind there"));
  }
  // Before it is spent.
  KITH_RETURN_IF_ERROR(CheckReplaceable(options_.token_file));
  return token;
}

// On gRPC's thread, before the certificate comes to use: who uses that may read the file.
void CertificateClient::KeepGivenToken(const grpc::ClientContext& context) const {
  const auto& metadata = context.GetServerTrailingMetadata();
  const auto given = metadata.find(base::kGivenTokenMetadata);
  if (options_.given_tokens == GivenTokens::kIgnored || given == metadata.end()) return;
  const absl::Status kept =
      KeepToken(options_.token_file, absl::string_view(given->second.data(), given->second.size()));
  if (kept.ok()) return;
  base::Log(base::LogLevel::kError, "control",
            "the token that came with the certificate cannot be kept; the next renewal may fail",
            {{"error", std::string(kept.message())}});
}

void CertificateClient::Sign(identity::SigningRequest request, Done done) {
  const auto answer_later = [this, calls = calls_](absl::Status status, Done later) {
    loop_.Post([calls, status = std::move(status), later = std::move(later)]() mutable {
      if (!calls->closed) later(std::move(status));
    });
  };
  const absl::StatusOr<std::string> token = Token();
  if (!token.ok()) {
    answer_later(base::Annotate(token.status(), kAttempted), std::move(done));
    return;
  }
  auto* const call = new Call;  // Finish(), which is always called, takes it.
  call->done = std::move(done);
  call->request.set_csr(std::move(request.csr_pem));
  call->request.set_validity_duration(std::max<int64_t>(1, absl::ToInt64Seconds(request.lifetime)));
  call->context.AddMetadata("authorization", absl::StrCat("Bearer ", *token));
  if (!options_.cluster_id.empty()) call->context.AddMetadata("clusterid", options_.cluster_id);
  // Of the monotonic clock: the wall clock may be the very thing that is wrong.
  call->context.set_deadline(gpr_time_add(
      gpr_now(GPR_CLOCK_MONOTONIC),
      gpr_time_from_millis(absl::ToInt64Milliseconds(options_.deadline), GPR_TIMESPAN)));
  call->stub = istio::v1::auth::IstioCertificateService::NewStub(channel_.Get());
  {
    const std::lock_guard<std::mutex> lock(calls_->mutex);
    calls_->pending.insert(call);
  }
  call->stub->async()->CreateCertificate(
      &call->context, &call->request, &call->response,
      [this, calls = calls_, call](const grpc::Status& status) { Finish(calls, call, status); });
}

// On gRPC's thread: hands the call over, and only then lets the client go. The call dies on the
// loop: it may hold the last reference to its channel, and a channel that dies on a thread of gRPC
// waits for that very thread to end.
void CertificateClient::Finish(const std::shared_ptr<Calls>& calls, Call* call,
                               const grpc::Status& status) {
  absl::StatusOr<identity::SigningReply> reply =
      status.ok() ? ReadReply(call->response) : channel_.Explain(kAttempted, status);
  if (reply.ok()) KeepGivenToken(call->context);
  const std::lock_guard<std::mutex> lock(calls->mutex);
  calls->pending.erase(call);
  loop_.Post([calls, reply = std::move(reply), owned = std::unique_ptr<Call>(call)]() mutable {
    if (!calls->closed) owned->done(std::move(reply));
  });
  calls->ended.notify_all();
}

absl::StatusOr<identity::SigningReply> ReadReply(
    const istio::v1::auth::IstioCertificateResponse& response) {
  if (response.cert_chain_size() < 2) {
    return BadReply("lacks the leaf or the roots; is that a certificate authority for workloads?");
  }
  if (response.cert_chain_size() > kMaxElements) return BadReply("has more than 12 parts");
  size_t bytes = 0;
  for (const std::string& pem : response.cert_chain()) {
    bytes += pem.size();
    if (!absl::StrContains(pem, "-----BEGIN CERTIFICATE-----")) {
      return BadReply("holds something else than certificates in PEM");
    }
  }
  if (bytes > kMaxReplyBytes) return BadReply("is longer than 1 MiB");
  identity::SigningReply reply;
  for (int i = 0; i + 1 < response.cert_chain_size(); ++i) {
    absl::StrAppend(&reply.chain_pem, response.cert_chain(i), "\n");
  }
  reply.roots_pem = response.cert_chain(response.cert_chain_size() - 1);
  return reply;
}

}  // namespace kith::control
