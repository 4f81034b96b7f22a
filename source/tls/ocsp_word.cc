#include "source/tls/ocsp_word.h"

#include <openssl/err.h>
#include <openssl/pool.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "source/tls/responders.h"
#include "source/x509/crypto.h"
#include "source/x509/ocsp_response.h"

namespace kith::tls {
namespace {

using telemetry::Reason;

std::string Utc(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

// A leaf and its issuer, parsed. Null where there is none.
struct Pair {
  explicit Pair(const VerifiedLeaf& from) {
    if (from.certificate == nullptr || from.issuer == nullptr) return;
    leaf.reset(X509_parse_from_buffer(from.certificate.get()));
    issuer.reset(X509_parse_from_buffer(from.issuer.get()));
    ERR_clear_error();
  }
  bool whole() const { return leaf != nullptr && issuer != nullptr; }

  bssl::UniquePtr<X509> leaf;
  bssl::UniquePtr<X509> issuer;
};

}  // namespace

OcspWord ReadOcspWord(absl::string_view response, absl::string_view origin,
                      const VerifiedLeaf& leaf, absl::Time now) {
  const Pair pair(response.empty() ? VerifiedLeaf() : leaf);
  if (!pair.whole()) return {};
  const auto statement = x509::ReadOcspResponse(response, *pair.leaf, *pair.issuer, now);
  if (!statement.ok()) {
    return {OcspWord::Says::kNothing, absl::StrCat(origin, ": ", statement.status().message())};
  }
  if (statement->status == x509::CertificateStatus::kRevoked) {
    // Also when it is out of date: nobody staples that to deceive.
    return {OcspWord::Says::kRevoked,
            absl::StrCat("its certificate, serial ", x509::SerialHex(pair.leaf.get()),
                         ", was revoked at ", Utc(statement->revoked_at), ", says ", origin)};
  }
  if (statement->status == x509::CertificateStatus::kUnknown) {
    return {OcspWord::Says::kNothing, absl::StrCat(origin, ": the responder does not know it")};
  }
  if (!statement->IsInForce(now)) {
    return {OcspWord::Says::kNothing,
            absl::StrCat(origin, " is not in force: it is of ", Utc(statement->this_update),
                         " until ", Utc(statement->next_update), ", our clock says ", Utc(now))};
  }
  return {OcspWord::Says::kGood, absl::StrCat(origin, " is good")};
}

VerifiedLeaf LeafToJudge(const PeerVerdict& verdict, const PeerRules& rules) {
  if (rules.revocation == RevocationMode::kOff) return {};
  if (!verdict.status.ok() && verdict.reason != Reason::kRevocationUnknown) return {};
  if (!verdict.peer) return verdict.server;
  return {verdict.peer->certificate, verdict.peer->issuer, verdict.peer->chain};
}

bool IsUnlisted(const VerifiedLeaf& leaf, const TrustBundle& bundle, absl::Time now) {
  if (leaf.chain == nullptr || leaf.chain->empty()) return false;
  const auto finding = bundle.revoked().Check(ChainKeys{leaf.chain->front()}, now);
  return finding.standing == RevocationLists::Standing::kUnknown;
}

void ApplyOcspWord(const OcspWord& word, const TrustBundle& bundle, absl::Time now,
                   const PeerRules& rules, PeerVerdict& verdict) {
  const VerifiedLeaf leaf = LeafToJudge(verdict, rules);
  if (leaf.chain == nullptr) return;
  if (word.says == OcspWord::Says::kRevoked) {
    verdict.status = absl::UnauthenticatedError(word.detail);
    verdict.reason = Reason::kCertificateRevoked;
    verdict.alert = SSL_AD_CERTIFICATE_REVOKED;
    return;
  }
  if (verdict.status.ok() || word.detail.empty()) return;
  if (word.says == OcspWord::Says::kGood && !leaf.chain->empty()) {
    const ChainKeys above(leaf.chain->begin() + 1, leaf.chain->end());
    if (bundle.revoked().Check(above, now).standing == RevocationLists::Standing::kGood) {
      verdict.status = absl::OkStatus();
      verdict.reason = Reason::kNone;
      verdict.alert = 0;
      return;
    }
  }
  verdict.status =
      absl::UnauthenticatedError(absl::StrCat(verdict.status.message(), "; ", word.detail));
}

absl::optional<Responders::Question> Responders::QuestionAbout(const VerifiedLeaf& leaf) {
  const Pair pair(leaf);
  if (!pair.whole()) return absl::nullopt;
  Question question;
  question.url = x509::OcspUrlOf(*pair.leaf);
  if (question.url.empty()) return absl::nullopt;
  auto request = x509::MakeOcspRequest(*pair.leaf, *pair.issuer);
  if (!request.ok()) return absl::nullopt;
  question.request = *std::move(request);
  question.leaf = leaf.certificate;
  question.issuer = leaf.issuer;
  return question;
}

}  // namespace kith::tls
