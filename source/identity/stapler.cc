#include "source/identity/stapler.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <algorithm>
#include <utility>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "source/base/log.h"
#include "source/base/status.h"
#include "source/telemetry/families.h"
#include "source/x509/ocsp_response.h"

namespace kith::identity {
namespace {

// A clock that jumps is noticed, and no timer is longer than libuv is good for.
constexpr absl::Duration kLongestTimer = absl::Seconds(30);
constexpr absl::Duration kLeastWait = absl::Seconds(1);
constexpr int kMaxDoublings = 16;
constexpr int kOk = 200;

std::function<double()> OrMachineRandom(std::function<double()> random) {
  if (random) return random;
  return [] { return absl::Uniform(absl::BitGen(), 0.0, 1.0); };
}

std::shared_ptr<X509> Share(X509* certificate) {
  X509_up_ref(certificate);
  return {certificate, [](X509* shared) { X509_free(shared); }};
}

// Of the leaf: the next in the chain, or the one of the roots that has signed it. Null: not known.
std::shared_ptr<X509> IssuerOf(const tls::Identity& identity, const tls::TrustBundle& bundle) {
  const std::vector<X509*>& chain = identity.chain();
  if (chain.size() > 1) return Share(chain[1]);
  for (X509* root : bundle.RootsOf(identity.id().trust_domain())) {
    const bool named =
        X509_NAME_cmp(X509_get_subject_name(root), X509_get_issuer_name(chain.front())) == 0;
    const bssl::UniquePtr<EVP_PKEY> key(named ? X509_get_pubkey(root) : nullptr);
    const bool signed_by = key != nullptr && X509_verify(chain.front(), key.get()) == 1;
    ERR_clear_error();
    if (signed_by) return Share(root);
  }
  return nullptr;
}

}  // namespace

Stapler::Stapler(event::Loop& loop, Options options)
    : loop_(loop), options_(std::move(options)), timer_(loop, [this] { Check(); }) {}

void Stapler::Forget() {
  fetch_.reset();
  identity_.reset();
  issuer_.reset();
  failures_ = 0;
  complained_.clear();
  due_ = ends_ = absl::InfiniteFuture();
  timer_.Stop();
}

void Stapler::SetIdentity(std::shared_ptr<const tls::Identity> identity,
                          const tls::TrustBundle& bundle) {
  if (identity_ != nullptr && identity_->leaf().serial == identity->leaf().serial) return;
  Forget();
  url_ = x509::OcspUrlOf(*identity->chain().front());
  if (url_.empty()) return;
  issuer_ = IssuerOf(*identity, bundle);
  if (issuer_ == nullptr) return;
  auto request = x509::MakeOcspRequest(*identity->chain().front(), *issuer_);
  if (!request.ok()) return;
  request_ = *std::move(request);
  identity_ = std::move(identity);
  due_ = now();
  Check();
}

void Stapler::Check() {
  if (identity_ == nullptr) return;
  if (now() >= ends_) {
    ends_ = absl::InfiniteFuture();
    options_.use(identity_->leaf().serial, "");
  }
  // A wait that a clock set back has made longer than any is over.
  const bool due = now() >= due_ || due_ > now() + 2 * options_.longest_wait;
  if (fetch_ == nullptr && due) Ask();
  timer_.Start(std::clamp(std::min(due_, ends_) - now(), kLeastWait, kLongestTimer));
}

void Stapler::Ask() {
  fetch_ = std::make_unique<http::Fetch>(
      loop_,
      http::FetchOptions{.url = url_,
                         .method = "POST",
                         .content_type = "application/ocsp-request",
                         .body = request_,
                         .timeout = options_.timeout,
                         .max_body_bytes = x509::kMaxOcspResponse},
      [this](const absl::StatusOr<http::FetchedAnswer>& answer) { Take(answer); });
}

void Stapler::Take(const absl::StatusOr<http::FetchedAnswer>& answer) {
  fetch_.reset();
  const absl::Status judged = Judge(answer);
  if (judged.ok()) return Check();
  Count("failed");
  const absl::Duration ceiling = std::min(
      options_.first_wait * (1 << std::min(failures_++, kMaxDoublings)), options_.longest_wait);
  due_ = now() + ceiling * (0.5 + 0.5 * OrMachineRandom(options_.random)());
  const std::string error(judged.message());
  if (std::exchange(complained_, error) != error) {
    base::Log(base::LogLevel::kWarning, "identity",
              "the OCSP responder of our certificate gives no answer to staple",
              {{"responder", url_}, {"error", error}});
  }
  Check();
}

absl::Status Stapler::Judge(const absl::StatusOr<http::FetchedAnswer>& answer) {
  if (!answer.ok()) return answer.status();
  if (answer->status != kOk) {
    return absl::UnavailableError(absl::StrCat("it answers with the status ", answer->status));
  }
  KITH_ASSIGN_OR_RETURN(
      const x509::OcspStatement statement,
      x509::ReadOcspResponse(answer->body, *identity_->chain().front(), *issuer_, now()));
  const std::string& serial = identity_->leaf().serial;
  if (statement.status == x509::CertificateStatus::kRevoked) {
    Count("revoked");
    failures_ = 0;
    due_ = now() + options_.longest_wait;
    ends_ = absl::InfiniteFuture();
    base::Log(base::LogLevel::kWarning, "identity",
              "our own certificate is revoked, says its OCSP responder; a new one is asked for",
              {{"responder", url_}, {"serial", serial}});
    options_.use(serial, "");
    options_.revoked();
    return absl::OkStatus();
  }
  if (statement.status == x509::CertificateStatus::kUnknown) {
    return absl::NotFoundError("it does not know our certificate");
  }
  if (!statement.IsInForce(now())) {
    return absl::UnavailableError("its answer is not in force; is a clock wrong?");
  }
  Count("ok");
  failures_ = 0;
  complained_.clear();
  ends_ = statement.next_update;
  // Early enough for some failures, and not all who started together at once.
  const absl::Duration half = (ends_ - now()) / 2;
  due_ = now() + std::clamp(half * (0.8 + 0.2 * OrMachineRandom(options_.random)()), kLeastWait,
                            options_.longest_wait);
  options_.use(serial, answer->body);
  return absl::OkStatus();
}

void Stapler::Count(absl::string_view result) const {
  if (options_.metrics == nullptr) return;
  options_.metrics->GetCounter(telemetry::kOcspFetches, {result}).Add();
}

}  // namespace kith::identity
