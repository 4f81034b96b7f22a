#include "source/controlplane/ca/authority.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "source/base/check.h"
#include "source/base/status.h"
#include "source/controlplane/ca/leaf_horizon.h"
#include "source/controlplane/ca/refusal.h"
#include "source/controlplane/ca/signer.h"
#include "source/controlplane/ca/signing_request.h"
#include "source/tls/encoding.h"
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
  return {x509::SerialHex(certificate), x509::SubjectText(certificate), KeyIdText(certificate),
          x509::NotBefore(certificate), x509::NotAfter(certificate)};
}

std::vector<std::string> With(const Signer& signer, const std::vector<std::string>& urls) {
  std::vector<std::string> with;
  with.reserve(urls.size());
  for (const std::string& url : urls) {
    with.push_back(absl::StrReplaceAll(url, {{"{issuer}", KeyIdText(signer.certificate.get())}}));
  }
  return with;
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

// What certificates are made with at one moment.
struct CertificateAuthority::Material {
  std::shared_ptr<const Signer> leaf_signer;
  std::shared_ptr<const Signer> server_signer;
  std::string bundle_pem;
  std::vector<CertificateFacts> roots;
};

struct CertificateAuthority::State {
  State(AuthorityOptions with, base::SpiffeId id)
      : options(std::move(with)), own_id(std::move(id)) {}

  AuthorityOptions options;
  base::SpiffeId own_id;
  std::unique_ptr<KeyRing> ring;
  std::unique_ptr<LeafHorizon> horizon;
  std::shared_ptr<const Signer> intermediate;  // Null where the root signs.

  mutable std::mutex mutex;
  std::shared_ptr<const Material> material ABSL_GUARDED_BY(mutex);

  std::shared_ptr<const Material> Get() const {
    const std::lock_guard<std::mutex> lock(mutex);
    return material;
  }
  // At least `lifetime`, but no more than `most` and not beyond the issuer.
  absl::StatusOr<Validity> ValidityFor(const Signer& signer, absl::Duration lifetime,
                                       absl::Duration most) const;
  absl::StatusOr<IssuedCertificate> Issue(const base::SpiffeId& id, absl::string_view csr,
                                          absl::Duration lifetime) const;
  absl::Status CheckSelf(const Signer& signer) const;
  absl::StatusOr<std::shared_ptr<const Signer>> LeafSigner();
  absl::Status Adopt();
};

absl::StatusOr<Validity> CertificateAuthority::State::ValidityFor(const Signer& signer,
                                                                  absl::Duration lifetime,
                                                                  absl::Duration most) const {
  absl::Time now = options.clock->Now();
  Validity validity;
  validity.begin = Floor(std::max(now - options.backdate, signer.not_before));
  // Rounded up, lest a lifetime of a second or two lose most of itself.
  validity.end = std::min({Ceiling(now + lifetime), Floor(now + most), signer.not_after});
  if (signer.not_after <= now || validity.end <= validity.begin) {
    return Refuse(absl::StatusCode::kFailedPrecondition, Refusal::kIssuerExpired,
                  absl::StrCat("the certificate authority's own chain ended at ",
                               absl::FormatTime(signer.not_after, absl::UTCTimeZone()),
                               "; renew it (", signer.source, ")"));
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
  const std::shared_ptr<const Material> with = Get();
  const Signer& signer = *with->leaf_signer;
  KITH_ASSIGN_OR_RETURN(Validity validity,
                        ValidityFor(signer, std::min(lifetime, options.max_leaf_lifetime),
                                    options.max_leaf_lifetime));
  x509::CertificateSpec spec;
  spec.kind = x509::CertificateKind::kWorkload;
  spec.uris = {id.text()};
  spec.ocsp_urls = With(signer, options.ocsp_urls);
  spec.crl_urls = With(signer, options.crl_urls);
  spec.not_before = validity.begin;
  spec.not_after = validity.end;
  KITH_ASSIGN_OR_RETURN(x509::NewCertificate leaf,
                        x509::MakeCertificate(spec, request.public_key_info, signer.issuer));
  IssuedCertificate issued;
  issued.chain_pem.push_back(tls::PemBlock("CERTIFICATE", leaf.der));
  for (const std::string& pem : signer.intermediates_pem) issued.chain_pem.push_back(pem);
  issued.chain_pem.push_back(with->bundle_pem);
  issued.serial = std::move(leaf.serial);
  issued.key_type = std::move(request.key_type);
  issued.not_before = validity.begin;
  issued.not_after = validity.end;
  KITH_RETURN_IF_ERROR(horizon->Cover(signer.root_key_id, validity.end, lifetime));
  return issued;
}

// A leaf that never leaves this function shows at start what would otherwise fail in every sidecar.
absl::Status CertificateAuthority::State::CheckSelf(const Signer& signer) const {
  KITH_ASSIGN_OR_RETURN(Validity validity, ValidityFor(signer, options.default_leaf_lifetime,
                                                       options.max_leaf_lifetime));
  KITH_ASSIGN_OR_RETURN(bssl::UniquePtr<EVP_PKEY> key, x509::GenerateP256Key());
  x509::CertificateSpec spec;
  spec.uris = {own_id.text()};
  spec.not_before = validity.begin;
  spec.not_after = validity.end;
  KITH_ASSIGN_OR_RETURN(bssl::UniquePtr<X509> leaf,
                        x509::BuildCertificate(spec, key.get(), signer.issuer));
  return VerifyLeaf(signer, leaf.get(), options.clock->Now());
}

absl::StatusOr<std::shared_ptr<const Signer>> CertificateAuthority::State::LeafSigner() {
  const std::shared_ptr<const Signer> root = ring->leaf_signer();
  if (options.intermediate_lifetime == absl::ZeroDuration()) return root;
  const absl::Time now = options.clock->Now();
  const bool usable =
      intermediate != nullptr && intermediate->root_key_id == root->root_key_id &&
      now < intermediate->not_before + (intermediate->not_after - intermediate->not_before) / 2;
  if (usable) return intermediate;
  KITH_ASSIGN_OR_RETURN(Signer made,
                        MakeIntermediate(*root, options.key_type, options.trust_domain,
                                         options.intermediate_lifetime, options.backdate, now));
  AuditEntry entry;
  entry.event = AuditEvent::kIntermediate;
  entry.serial = x509::SerialHex(made.certificate.get());
  entry.not_before = x509::NotBefore(made.certificate.get());
  entry.not_after = x509::NotAfter(made.certificate.get());
  entry.key_type = made.key_type;
  KITH_RETURN_IF_ERROR(options.audit->Append(entry));
  intermediate = std::make_shared<const Signer>(std::move(made));
  return intermediate;
}

absl::Status CertificateAuthority::State::Adopt() {
  auto next = std::make_shared<Material>();
  KITH_ASSIGN_OR_RETURN(next->leaf_signer, LeafSigner());
  next->server_signer = ring->server_signer();
  next->bundle_pem = ring->BundlePem();
  for (const X509* root : ring->Roots()) next->roots.push_back(FactsOf(root));
  KITH_RETURN_IF_ERROR(CheckSelf(*next->leaf_signer));
  const std::lock_guard<std::mutex> lock(mutex);
  material = std::move(next);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<CertificateAuthority>> CertificateAuthority::Create(
    AuthorityOptions options) {
  KITH_CHECK(options.state != nullptr && options.audit != nullptr && options.clock != nullptr,
             "an authority needs its state directory, audit log and clock");
  KITH_ASSIGN_OR_RETURN(base::SpiffeId own_id,
                        base::SpiffeId::ForServiceAccount(
                            options.trust_domain, options.root_namespace, kOwnServiceAccount));
  const absl::Time now = options.clock->Now();
  auto state = std::make_unique<State>(std::move(options), std::move(own_id));
  const AuthorityOptions& with = state->options;
  KITH_ASSIGN_OR_RETURN(state->horizon, LeafHorizon::Load(*with.state));
  KITH_ASSIGN_OR_RETURN(const auto had_root, with.state->Read(kRootCertificateFile));
  absl::StatusOr<std::unique_ptr<KeyRing>> ring = KeyRing::Load(
      {.state = with.state,
       .trust_domain = with.trust_domain,
       .key_type = with.key_type,
       .root_lifetime = with.root_lifetime,
       .backdate = with.backdate,
       .configured = {with.certificate_file, with.key_file, with.root_file},
       .check = [&checks = *state](const Signer& signer) { return checks.CheckSelf(signer); }},
      now);
  if (!ring.ok()) return base::Annotate(ring.status(), "certificate authority");
  state->ring = *std::move(ring);
  for (const KeyRing::Member& member : state->ring->members()) {
    const std::string& root = member.signer->root_key_id;
    if (state->horizon->Knows(root)) continue;
    // Of a root that is older than this record, any leaf may live.
    const bool fresh = member.made_here && !had_root.has_value();
    if (fresh) continue;
    KITH_RETURN_IF_ERROR(
        state->horizon->Cover(root, now + with.max_leaf_lifetime, with.max_leaf_lifetime));
  }
  KITH_RETURN_IF_ERROR(base::Annotate(state->Adopt(), "certificate authority"));
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
  if (!issued.ok()) {
    // The refusal stands whether or not it can be recorded.
    state_->options.audit->Append(entry).IgnoreError();
    return issued;
  }
  // A certificate that nobody recorded must not exist.
  KITH_ASSIGN_OR_RETURN(issued->audit_line, state_->options.audit->Enqueue(entry));
  return issued;
}

absl::StatusOr<ServerCertificate> CertificateAuthority::IssueServer(
    const std::vector<std::string>& dns_names, absl::Duration lifetime,
    x509::CertificateKind kind) const {
  for (const std::string& name : dns_names) {
    if (!IsDnsName(name)) {
      return absl::InvalidArgumentError(
          absl::StrCat("server_names: \"", name, "\" is not a DNS name without wildcards"));
    }
  }
  const std::shared_ptr<const Material> with = state_->Get();
  const Signer& signer = *with->server_signer;
  KITH_ASSIGN_OR_RETURN(Validity validity, state_->ValidityFor(signer, lifetime, lifetime));
  KITH_ASSIGN_OR_RETURN(bssl::UniquePtr<EVP_PKEY> key, x509::GenerateP256Key());
  x509::CertificateSpec spec;
  spec.kind = kind;
  spec.uris = {state_->own_id.text()};
  spec.dns_names = dns_names;
  spec.not_before = validity.begin;
  spec.not_after = validity.end;
  KITH_ASSIGN_OR_RETURN(bssl::UniquePtr<X509> leaf,
                        x509::BuildCertificate(spec, key.get(), signer.issuer));
  ServerCertificate made;
  KITH_ASSIGN_OR_RETURN(made.chain_pem, x509::CertificatePem(leaf.get()));
  for (const std::string& pem : signer.intermediates_pem) made.chain_pem += pem;
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

std::string CertificateAuthority::trust_bundle_pem() const { return state_->Get()->bundle_pem; }
std::vector<CertificateFacts> CertificateAuthority::roots() const { return state_->Get()->roots; }
CertificateFacts CertificateAuthority::signer() const {
  return FactsOf(state_->Get()->leaf_signer->certificate.get());
}
absl::Time CertificateAuthority::issuer_not_after() const {
  return state_->Get()->leaf_signer->not_after;
}
const std::string& CertificateAuthority::trust_domain() const {
  return state_->options.trust_domain;
}
const AuthorityOptions& CertificateAuthority::options() const { return state_->options; }

KeyRing& CertificateAuthority::ring() { return *state_->ring; }
const KeyRing& CertificateAuthority::ring() const { return *state_->ring; }
absl::Status CertificateAuthority::Adopt() { return state_->Adopt(); }

absl::StatusOr<bool> CertificateAuthority::Reload() {
  KITH_ASSIGN_OR_RETURN(const bool replaced, state_->ring->Reload(state_->options.clock->Now()));
  if (replaced) KITH_RETURN_IF_ERROR(Adopt());
  return replaced;
}

absl::Status CertificateAuthority::RenewIntermediate() {
  KITH_ASSIGN_OR_RETURN(const std::shared_ptr<const Signer> wanted, state_->LeafSigner());
  return wanted == state_->Get()->leaf_signer ? absl::OkStatus() : state_->Adopt();
}

absl::Time CertificateAuthority::LastLeafEnd(const std::string& root_key_id) const {
  return state_->horizon->End(root_key_id);
}

absl::Duration CertificateAuthority::default_leaf_lifetime() const {
  return state_->options.default_leaf_lifetime;
}

std::vector<std::shared_ptr<const Signer>> CertificateAuthority::signers() const {
  const std::shared_ptr<const Signer> present = state_->Get()->leaf_signer;
  std::vector<std::shared_ptr<const Signer>> signers = {present};
  for (const KeyRing::Member& member : state_->ring->members()) {
    if (member.signer != present) signers.push_back(member.signer);
  }
  return signers;
}

}  // namespace kith::controlplane
