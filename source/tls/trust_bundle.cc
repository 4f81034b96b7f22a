#include <openssl/x509.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "source/base/status.h"
#include "source/tls/credentials.h"
#include "source/tls/pem.h"
#include "source/tls/svid.h"

namespace kith::tls {
namespace {

constexpr PemLimits kBundleLimits = {size_t{1024} * 1024, 256};

}  // namespace

TrustBundle::TrustBundle(std::vector<Domain> domains)
    : domains_(std::move(domains)), roots_(domains_.size()) {}

absl::StatusOr<std::shared_ptr<const TrustBundle>> TrustBundle::Create(
    std::vector<Domain> domains) {
  std::shared_ptr<TrustBundle> bundle(new TrustBundle(std::move(domains)));
  for (size_t i = 0; i < bundle->domains_.size(); ++i) {
    const Domain& domain = bundle->domains_[i];
    const std::string what = absl::StrCat("trust bundle of ", domain.trust_domain);
    if (!base::IsTrustDomain(domain.trust_domain)) {
      return absl::InvalidArgumentError(
          absl::StrCat("trust bundle: \"", domain.trust_domain, "\" is no trust domain"));
    }
    if (!bundle->RootsOf(domain.trust_domain).empty()) {
      return absl::InvalidArgumentError(absl::StrCat(what, ": it is given twice"));
    }
    absl::StatusOr<std::vector<bssl::UniquePtr<X509>>> roots =
        ParseCertificates(domain.roots_pem, kBundleLimits);
    if (!roots.ok()) return base::Annotate(roots.status(), what);
    for (size_t j = 0; j < roots->size(); ++j) {
      if (absl::Status signer = CheckSigner(*(*roots)[j]); !signer.ok()) {
        return base::Annotate(signer, absl::StrCat(what, ": certificate ", j + 1));
      }
    }
    for (bssl::UniquePtr<X509>& root : *roots) bundle->roots_[i].push_back(root.release());
  }
  return std::shared_ptr<const TrustBundle>(std::move(bundle));
}

TrustBundle::~TrustBundle() {
  for (const std::vector<X509*>& roots : roots_) {
    for (X509* root : roots) X509_free(root);
  }
}

const std::vector<X509*>& TrustBundle::RootsOf(absl::string_view trust_domain) const {
  for (size_t i = 0; i < domains_.size(); ++i) {
    if (domains_[i].trust_domain == trust_domain) return roots_[i];
  }
  static const auto& none = *new std::vector<X509*>();
  return none;
}

std::vector<CertificateInfo> TrustBundle::RootInfo(absl::string_view trust_domain) const {
  std::vector<CertificateInfo> info;
  for (const X509* root : RootsOf(trust_domain)) info.push_back(Describe(*root));
  return info;
}

}  // namespace kith::tls
