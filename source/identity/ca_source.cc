#include "source/identity/ca_source.h"

#include <utility>

#include "absl/random/random.h"
#include "source/base/check.h"
#include "source/base/status.h"
#include "source/identity/check.h"

namespace kith::identity {
namespace {

Renewal::Random OrMachineRandom(Renewal::Random random) {
  if (random) return random;
  return [] { return absl::Uniform(absl::BitGen(), 0.0, 1.0); };
}

Failure FailureOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kFailedPrecondition:
      return Failure::kToken;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kResourceExhausted:
      return Failure::kRefused;
    case absl::StatusCode::kDataLoss:
      return Failure::kBadReply;
    default:
      return Failure::kUnavailable;
  }
}

}  // namespace

struct CaSource::Attempt {};

CaSource::CaSource(event::Loop& loop, SigningClient& client, Options options)
    : loop_(loop),
      client_(client),
      options_(std::move(options)),
      renewal_(OrMachineRandom(options_.random)),
      timer_(loop_, [this] { Check(); }) {}

CaSource::~CaSource() = default;

void CaSource::Start(Observer& observer) {
  KITH_CHECK(observer_ == nullptr, "a source is started once");
  observer_ = &observer;
  Check();
}

void CaSource::RotateNow() {
  renewal_.DueNow(options_.clock->Now());
  Check();
}

void CaSource::RenewSoon() {
  renewal_.BringForward(options_.clock->Now());
  Check();
}

void CaSource::TryOverdue() {
  away_ = false;
  const absl::Time now = options_.clock->Now();
  if (!renewal_.IsOverdue(now)) return;
  renewal_.SpreadOverdue(now);
  Check();
}

void CaSource::Check() {
  if (observer_ == nullptr) return;
  const absl::Time now = options_.clock->Now();
  if (attempt_ == nullptr && renewal_.IsDue(now) && !(away_ && renewal_.PutOff(now))) Begin();
  timer_.Start(renewal_.CheckInterval());
}

void CaSource::Begin() {
  auto key = tls::PrivateKey::GenerateP256();
  if (!key.ok()) return Fail(Failure::kBadReply, base::Annotate(key.status(), "make a key"));
  auto request = (*key)->CertificateRequest(options_.id);
  if (!request.ok()) {
    return Fail(Failure::kBadReply, base::Annotate(request.status(), "make a signing request"));
  }
  attempt_ = std::make_shared<Attempt>();
  client_.Sign({*std::move(request), options_.lifetime},
               [this, key = *std::move(key),
                attempt = std::weak_ptr<Attempt>(attempt_)](absl::StatusOr<SigningReply> reply) {
                 if (!attempt.expired()) Finish(key, reply);
               });
}

void CaSource::Finish(const std::shared_ptr<const tls::PrivateKey>& key,
                      const absl::StatusOr<SigningReply>& reply) {
  attempt_.reset();
  if (!reply.ok()) return Fail(FailureOf(reply.status()), reply.status());
  auto identity = tls::Identity::Create(reply->chain_pem, key);
  if (!identity.ok()) {
    return Fail(Failure::kBadReply, base::Annotate(identity.status(), "read the new certificate"));
  }
  const absl::Time now = options_.clock->Now();
  if (const Refusal refusal = CheckIdentity(**identity, options_.id, now);
      refusal.failure != Failure::kNone) {
    return Fail(refusal.failure, refusal.status);
  }
  if (options_.roots == Roots::kFromReply) {
    absl::Status trusted =
        observer_->OnBundles({{std::string(options_.id.trust_domain()), reply->roots_pem}});
    // Roots that cut off the present identity come to use together with the new one.
    if (absl::IsInvalidArgument(trusted)) {
      return Fail(Failure::kBadReply, base::Annotate(trusted, "read the authority's roots"));
    }
  }
  if (absl::Status used = observer_->OnIdentity(*identity); !used.ok()) {
    return Fail(Failure::kUntrusted, used);
  }
  renewal_.Succeeded(now, (*identity)->leaf().not_before, (*identity)->not_after());
  timer_.Start(renewal_.CheckInterval());
}

void CaSource::Fail(Failure failure, const absl::Status& status) {
  renewal_.Failed(options_.clock->Now());
  observer_->OnFailure(failure, status);
  timer_.Start(renewal_.CheckInterval());
}

}  // namespace kith::identity
