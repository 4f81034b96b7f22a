#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "source/base/status.h"
#include "source/tls/credentials.h"
#include "source/tls/pem.h"
#include "source/tls/svid.h"

namespace kith::tls {
namespace {

constexpr PemLimits kChainLimits = {size_t{64} * 1024, 10};

absl::Status Wrong(size_t index, absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat("our certificate chain: certificate ", index + 1, ": ", what));
}

absl::Status CheckIssuers(const std::vector<bssl::UniquePtr<X509>>& chain) {
  for (size_t i = 1; i < chain.size(); ++i) {
    if (absl::Status signer = CheckSigner(*chain[i]); !signer.ok()) {
      return Wrong(i, signer.message());
    }
    const bool issued = X509_check_issued(chain[i].get(), chain[i - 1].get()) == X509_V_OK;
    ERR_clear_error();
    if (!issued) return Wrong(i, absl::StrCat("it is not the issuer of certificate ", i));
  }
  return absl::OkStatus();
}

}  // namespace

Identity::Identity(std::vector<X509*> chain, std::shared_ptr<const PrivateKey> key,
                   base::SpiffeId id)
    : chain_(std::move(chain)), key_(std::move(key)), id_(std::move(id)) {
  for (const X509* certificate : chain_) chain_info_.push_back(Describe(*certificate));
}

absl::StatusOr<std::shared_ptr<const Identity>> Identity::Create(
    absl::string_view chain_pem, std::shared_ptr<const PrivateKey> key) {
  absl::StatusOr<std::vector<bssl::UniquePtr<X509>>> parsed =
      ParseCertificates(chain_pem, kChainLimits);
  if (!parsed.ok()) return base::Annotate(parsed.status(), "our certificate chain");
  SvidCheck check = CheckSvid(*parsed->front());
  if (!check.status.ok()) return Wrong(0, check.status.message());
  KITH_RETURN_IF_ERROR(CheckIssuers(*parsed));
  const bool matches = X509_check_private_key(parsed->front().get(), key->get()) == 1;
  ERR_clear_error();
  if (!matches) return Wrong(0, "it was issued for another key than ours");
  std::vector<X509*> chain;
  for (bssl::UniquePtr<X509>& certificate : *parsed) chain.push_back(certificate.release());
  return std::shared_ptr<const Identity>(
      new Identity(std::move(chain), std::move(key), *std::move(check.id)));
}

Identity::~Identity() {
  for (X509* certificate : chain_) X509_free(certificate);
}

absl::Time Identity::not_after() const {
  absl::Time first = absl::InfiniteFuture();
  for (const CertificateInfo& info : chain_info_) first = std::min(first, info.not_after);
  return first;
}

std::string Identity::ChainPem() const {
  std::string pem;
  for (const X509* certificate : chain_) pem += ToPem(*certificate);
  return pem;
}

}  // namespace kith::tls
