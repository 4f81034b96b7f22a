#include "source/controlplane/ca/ocsp_responder.h"

#include <algorithm>
#include <utility>

#include "source/base/log.h"
#include "source/x509/ocsp.h"

namespace kith::controlplane {
namespace {

// Peers whose clocks are behind must not see an answer from the future.
constexpr absl::Duration kBackdate = absl::Minutes(2);

x509::OcspAnswer StatusOf(const std::string& serial, const IssuedLedger& ledger,
                          const RevocationList& revocations) {
  const auto revoked = revocations.Find(serial);
  if (revoked.has_value()) {
    return {x509::CertificateStatus::kRevoked, revoked->at, revoked->reason};
  }
  if (ledger.Find(serial).has_value()) return {.status = x509::CertificateStatus::kGood};
  return {.status = x509::CertificateStatus::kUnknown};
}

}  // namespace

std::string OcspResponder::Answer(absl::string_view request) {
  const absl::Time now = options_.clock->Now();
  if (options_.revocations->number() != cached_number_) {
    cache_.clear();
    cached_number_ = options_.revocations->number();
  }
  const auto cached = cache_.find(request);
  if (cached != cache_.end() && now < cached->second.fresh_until) return cached->second.response;

  const auto parsed = x509::ParseOcspRequest(request);
  if (!parsed.ok()) return x509::OcspErrorResponse(x509::OcspError::kMalformedRequest);
  const auto signers = options_.signers();
  const auto signer = std::find_if(signers.begin(), signers.end(), [&parsed](const auto& each) {
    return x509::IsIssuerOf(parsed->certificates.front(), each->issuer);
  });
  if (signer == signers.end()) return x509::OcspErrorResponse(x509::OcspError::kUnauthorized);
  std::vector<x509::OcspAnswer> answers;
  for (const x509::OcspCertificateId& id : parsed->certificates) {
    // One signature answers for one issuer.
    if (!x509::IsIssuerOf(id, (*signer)->issuer)) {
      answers.emplace_back();
    } else {
      answers.push_back(StatusOf(id.serial, *options_.ledger, *options_.revocations));
    }
  }
  const absl::StatusOr<std::string> response = x509::BuildOcspResponse(
      *parsed, answers, {now, now - kBackdate, now + options_.validity}, (*signer)->issuer);
  if (!response.ok()) {
    base::Log(base::LogLevel::kError, "ca", "cannot answer an OCSP request",
              {{"error", std::string(response.status().message())}});
    return x509::OcspErrorResponse(x509::OcspError::kInternalError);
  }
  // An answer of "unknown" may become "good" at any time: certificates are issued meanwhile.
  const bool lasts = std::none_of(answers.begin(), answers.end(), [](const auto& each) {
    return each.status == x509::CertificateStatus::kUnknown;
  });
  if (parsed->nonce.empty() && lasts) {
    if (cache_.size() >= options_.max_cached) cache_.clear();
    cache_.insert_or_assign(std::string(request), Cached{*response, now + options_.validity / 2});
  }
  return *response;
}

}  // namespace kith::controlplane
