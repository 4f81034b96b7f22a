#include "source/identity/check.h"

#include "absl/strings/str_cat.h"

namespace kith::identity {
namespace {

std::string Text(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

}  // namespace

Refusal CheckIdentity(const tls::Identity& identity, const base::SpiffeId& expected,
                      absl::Time now) {
  if (!(identity.id() == expected)) {
    return {Failure::kWrongIdentity,
            absl::FailedPreconditionError(absl::StrCat(
                "the new certificate is for ", identity.id().text(), ", not for ", expected.text(),
                "; do namespace, serviceAccount and trustDomain of the configuration agree with "
                "the token, or with what the source was told?"))};
  }
  for (const tls::CertificateInfo& certificate : identity.chain_info()) {
    if (now >= certificate.not_before && now < certificate.not_after) continue;
    return {Failure::kNotValidNow,
            absl::FailedPreconditionError(
                absl::StrCat("the new certificate ", certificate.serial, " is valid from ",
                             Text(certificate.not_before), " to ", Text(certificate.not_after),
                             ", and this machine's clock says ", Text(now),
                             "; compare the clocks of this machine and of the issuer's"))};
  }
  return {};
}

}  // namespace kith::identity
