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

absl::StatusOr<std::shared_ptr<const TrustBundle>> TrustBundle::Create(std::vector<Domain> domains,
                                                                       const Crls& more_crls) {
  std::shared_ptr<TrustBundle> bundle(new TrustBundle(std::move(domains)));
  Crls crls = more_crls;
  for (size_t i = 0; i < bundle->domains_.size(); ++i) {
    const std::string what = absl::StrCat("trust bundle of ", bundle->domains_[i].trust_domain);
    if (!base::IsTrustDomain(bundle->domains_[i].trust_domain)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "trust bundle: \"", bundle->domains_[i].trust_domain, "\" is no trust domain"));
    }
    KITH_RETURN_IF_ERROR(base::Annotate(bundle->AddRoots(i), what));
    KITH_RETURN_IF_ERROR(base::Annotate(bundle->AddCrls(i, crls), what));
  }
  if (crls.size() > RevocationLists::kMaxLists) {
    return absl::InvalidArgumentError(absl::StrCat("trust bundle: it has ", crls.size(),
                                                   " revocation lists, more than ",
                                                   RevocationLists::kMaxLists));
  }
  bundle->revoked_ = std::make_unique<RevocationLists>(crls);
  return std::shared_ptr<const TrustBundle>(std::move(bundle));
}

absl::Status TrustBundle::AddRoots(size_t domain) {
  if (!RootsOf(domains_[domain].trust_domain).empty()) {
    return absl::InvalidArgumentError("it is given twice");
  }
  KITH_ASSIGN_OR_RETURN(auto roots, ParseCertificates(domains_[domain].roots_pem, kBundleLimits));
  for (size_t i = 0; i < roots.size(); ++i) {
    KITH_RETURN_IF_ERROR(
        base::Annotate(CheckSigner(*roots[i]), absl::StrCat("certificate ", i + 1)));
  }
  for (bssl::UniquePtr<X509>& root : roots) roots_[domain].push_back(root.release());
  return absl::OkStatus();
}

absl::Status TrustBundle::AddCrls(size_t domain, Crls& to) const {
  for (size_t i = 0; i < domains_[domain].crls.size(); ++i) {
    const std::string which = absl::StrCat("revocation list ", i + 1);
    auto list = Crl::Parse(domains_[domain].crls[i]);
    if (!list.ok()) return base::Annotate(list.status(), which);
    // A list of a CA below a root is checked when a peer shows that CA's certificate.
    bool forged = false;
    bool signed_by_root = false;
    for (const X509* root : roots_[domain]) {
      const Crl::Claim claim = (*list)->ClaimToBeOf(*root);
      forged = forged || claim == Crl::Claim::kFalse;
      signed_by_root = signed_by_root || claim == Crl::Claim::kTrue;
    }
    if (forged && !signed_by_root) {
      return absl::InvalidArgumentError(
          absl::StrCat(which, ": it bears the name of the root \"", (*list)->issuer_text(),
                       "\" and not its signature; was it published by another CA of that name?"));
    }
    to.push_back(*std::move(list));
  }
  return absl::OkStatus();
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
