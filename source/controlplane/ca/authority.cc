#include "source/controlplane/ca/authority.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "source/base/check.h"
#include "source/base/status.h"
#include "source/controlplane/ca/refusal.h"
#include "source/controlplane/ca/signer.h"
#include "source/controlplane/ca/signing_request.h"
#include "source/x509/certificate_builder.h"
#include "source/x509/crypto.h"

namespace kith::controlplane {
namespace {

constexpr char kOwnServiceAccount[] = "kith-controlplane";

struct Validity {
  absl::Time begin;
  absl::Time end;
};

CertificateFacts FactsOf(const X509* certificate) {
  return {x509::SerialHex(certificate), x509::SubjectText(certificate),
          x509::NotBefore(certificate), x509::NotAfter(certificate)};
}

bool IsDnsName(absl::string_view name) {
  return !name.empty() && name.size() <= 253 && std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.';
  });
}

// Certificates hold whole seconds.
absl::Time Floor(absl::Time time) { return absl::FromUnixSeconds(absl::ToUnixSeconds(time)); }
absl::Time Ceiling(absl::Time time) {
  absl::Time floor = Floor(time);
  return floor == time ? time : floor + absl::Seconds(1);
}

}  // namespace

struct CertificateAuthority::State {
  AuthorityOptions options;
  std::shared_ptr<const Signer> signer;
  base::SpiffeId own_id;
  CertificateFacts signer_facts;
  std::vector<CertificateFacts> root_facts;

  // At least `lifetime`, but no more than `most` and not beyond the issuer.
  absl::StatusOr<Validity> ValidityFor(absl::Duration lifetime, absl::Duration most) const;
  absl::StatusOr<IssuedCertificate> Issue(const base::SpiffeId& id, absl::string_view csr,
                                          absl::Duration lifetime) const;
  absl::Status CheckSelf() const;
};

absl::StatusOr<Validity> CertificateAuthority::State::ValidityFor(absl::Duration lifetime,
                                                                  absl::Duration most) const {
  absl::Time now = options.clock->Now();
  Validity validity;
  validity.begin = Floor(std::max(now - options.backdate, signer->not_before));
  // Rounded up, lest a lifetime of a second or two lose most of itself.
  validity.end = std::min({Ceiling(now + lifetime), Floor(now + most), signer->not_after});
  if (signer->not_after <= now || validity.end <= validity.begin) {
    return Refuse(absl::StatusCode::kFailedPrecondition, Refusal::kIssuerExpired,
                  absl::StrCat("the certificate authority's own chain ended at ",
                               absl::FormatTime(signer->not_after, absl::UTCTimeZone()),
                               "; renew it (", signer->source, ")"));
  }
  return validity;
}

absl::StatusOr<IssuedCertificate> CertificateAuthority::State::Issue(
    const base::SpiffeId& id, absl::string_view csr, absl::Duration lifetime) const {
  KITH_ASSIGN_OR_RETURN(SigningRequest request, ParseSigningRequest(csr));
  if (lifetime == absl::ZeroDuration()) lifetime = options.default_leaf_lifetime;
  if (lifetime < options.min_leaf_lifetime) {
    return Refuse(absl::StatusCode::kInvalidArgument, Refusal::kRequestLifetime,
                  absl::StrCat("a lifetime of ", absl::FormatDuration(lifetime),
                               " was asked for; ask for at least ",
                               absl::FormatDuration(options.min_leaf_lifetime)));
  }
  KITH_ASSIGN_OR_RETURN(
      Validity validity,
      ValidityFor(std::min(lifetime, options.max_leaf_lifetime), options.max_leaf_lifetime));
  x509::CertificateSpec spec;
  spec.kind = x509::CertificateKind::kWorkload;
  spec.uris = {id.text()};
  spec.not_before = validity.begin;
  spec.not_after = validity.end;
  KITH_ASSIGN_OR_RETURN(bssl::UniquePtr<X509> leaf,
                        x509::BuildCertificate(spec, request.key.get(), signer->issuer));
  KITH_ASSIGN_OR_RETURN(std::string leaf_pem, x509::CertificatePem(leaf.get()));
  IssuedCertificate issued;
  issued.chain_pem.push_back(std::move(leaf_pem));
  for (const std::string& pem : signer->intermediates_pem) issued.chain_pem.push_back(pem);
  issued.chain_pem.push_back(signer->roots_pem);
  issued.serial = x509::SerialHex(leaf.get());
  issued.key_type = std::move(request.key_type);
  issued.not_before = validity.begin;
  issued.not_after = validity.end;
  return issued;
}

// A leaf that never leaves this function shows at start what would otherwise fail in every sidecar.
absl::Status CertificateAuthority::State::CheckSelf() const {
  KITH_ASSIGN_OR_RETURN(Validity validity,
                        ValidityFor(options.default_leaf_lifetime, options.max_leaf_lifetime));
  KITH_ASSIGN_OR_RETURN(bssl::UniquePtr<EVP_PKEY> key, x509::GenerateP256Key());
  x509::CertificateSpec spec;
  spec.uris = {own_id.text()};
  spec.not_before = validity.begin;
  spec.not_after = validity.end;
  KITH_ASSIGN_OR_RETURN(bssl::UniquePtr<X509> leaf,
                        x509::BuildCertificate(spec, key.get(), signer->issuer));
  return VerifyLeaf(*signer, leaf.get(), options.clock->Now());
}

absl::StatusOr<std::unique_ptr<CertificateAuthority>> CertificateAuthority::Create(
    AuthorityOptions options) {
  KITH_CHECK(options.state != nullptr && options.audit != nullptr && options.clock != nullptr,
             "an authority needs its state directory, audit log and clock");
  KITH_ASSIGN_OR_RETURN(base::SpiffeId own_id,
                        base::SpiffeId::ForServiceAccount(
                            options.trust_domain, options.root_namespace, kOwnServiceAccount));
  const absl::Time now = options.clock->Now();
  absl::StatusOr<Signer> signer =
      options.certificate_file.empty()
          ? LoadOrCreateRoot(*options.state, options.trust_domain, options.root_lifetime,
                             options.backdate, now)
          : LoadSigner({options.certificate_file, options.key_file, options.root_file}, now);
  if (!signer.ok()) return base::Annotate(signer.status(), "certificate authority");
  auto state = std::make_unique<State>(State{std::move(options),
                                             std::make_shared<const Signer>(*std::move(signer)),
                                             std::move(own_id),
                                             {},
                                             {}});
  KITH_RETURN_IF_ERROR(base::Annotate(state->CheckSelf(), "certificate authority"));
  state->signer_facts = FactsOf(state->signer->certificate.get());
  for (const auto& root : state->signer->roots) state->root_facts.push_back(FactsOf(root.get()));
  return std::unique_ptr<CertificateAuthority>(new CertificateAuthority(std::move(state)));
}

CertificateAuthority::CertificateAuthority(std::unique_ptr<State> state)
    : state_(std::move(state)) {}
CertificateAuthority::~CertificateAuthority() = default;

absl::StatusOr<IssuedCertificate> CertificateAuthority::IssueLeaf(
    const base::SpiffeId& id, absl::string_view csr, absl::Duration lifetime,
    const Requester& requester) const {
  absl::StatusOr<IssuedCertificate> issued = state_->Issue(id, csr, lifetime);
  AuditEntry entry;
  entry.refusal = RefusalOf(issued.status());
  entry.spiffe_id = id.text();
  entry.caller = requester.caller;
  entry.token_id = requester.token_id;
  entry.peer = requester.peer;
  if (issued.ok()) {
    entry.serial = issued->serial;
    entry.not_before = issued->not_before;
    entry.not_after = issued->not_after;
    entry.key_type = issued->key_type;
  } else {
    entry.detail = std::string(issued.status().message());
  }
  absl::Status written = state_->options.audit->Append(entry);
  // A certificate that nobody recorded must not exist; a refusal stands in any case.
  if (issued.ok() && !written.ok()) return written;
  return issued;
}

absl::StatusOr<ServerCertificate> CertificateAuthority::IssueServer(
    const std::vector<std::string>& dns_names, absl::Duration lifetime) const {
  for (const std::string& name : dns_names) {
    if (!IsDnsName(name)) {
      return absl::InvalidArgumentError(
          absl::StrCat("server_names: \"", name, "\" is not a DNS name without wildcards"));
    }
  }
  KITH_ASSIGN_OR_RETURN(Validity validity, state_->ValidityFor(lifetime, lifetime));
  KITH_ASSIGN_OR_RETURN(bssl::UniquePtr<EVP_PKEY> key, x509::GenerateP256Key());
  x509::CertificateSpec spec;
  spec.kind = x509::CertificateKind::kServer;
  spec.uris = {state_->own_id.text()};
  spec.dns_names = dns_names;
  spec.not_before = validity.begin;
  spec.not_after = validity.end;
  KITH_ASSIGN_OR_RETURN(bssl::UniquePtr<X509> leaf,
                        x509::BuildCertificate(spec, key.get(), state_->signer->issuer));
  ServerCertificate made;
  KITH_ASSIGN_OR_RETURN(made.chain_pem, x509::CertificatePem(leaf.get()));
  for (const std::string& pem : state_->signer->intermediates_pem) made.chain_pem += pem;
  KITH_ASSIGN_OR_RETURN(made.key_pem, x509::PrivateKeyPem(key.get()));
  made.serial = x509::SerialHex(leaf.get());
  made.not_before = validity.begin;
  made.not_after = validity.end;
  AuditEntry entry;
  entry.event = AuditEvent::kServerCertificate;
  entry.spiffe_id = state_->own_id.text();
  entry.serial = made.serial;
  entry.not_before = made.not_before;
  entry.not_after = made.not_after;
  entry.key_type = "P-256";
  KITH_RETURN_IF_ERROR(state_->options.audit->Append(entry));
  return made;
}

const std::string& CertificateAuthority::trust_bundle_pem() const {
  return state_->signer->roots_pem;
}
const std::vector<CertificateFacts>& CertificateAuthority::roots() const {
  return state_->root_facts;
}
const CertificateFacts& CertificateAuthority::signer() const { return state_->signer_facts; }
absl::Time CertificateAuthority::issuer_not_after() const { return state_->signer->not_after; }
const std::string& CertificateAuthority::trust_domain() const {
  return state_->options.trust_domain;
}

absl::Duration CertificateAuthority::default_leaf_lifetime() const {
  return state_->options.default_leaf_lifetime;
}

std::vector<std::shared_ptr<const Signer>> CertificateAuthority::signers() const {
  return {state_->signer};
}

}  // namespace kith::controlplane
