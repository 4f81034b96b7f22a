#include "source/tls/peer.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pool.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "source/tls/server_names.h"
#include "source/tls/svid.h"

namespace kith::tls {
namespace {

using telemetry::Reason;

constexpr int kMaxChain = 10;

// A copy: what is received is pooled by its context, and a peer may outlive that.
std::shared_ptr<CRYPTO_BUFFER> Copy(const CRYPTO_BUFFER* buffer) {
  return {CRYPTO_BUFFER_new(CRYPTO_BUFFER_data(buffer), CRYPTO_BUFFER_len(buffer), nullptr),
          [](CRYPTO_BUFFER* copy) { CRYPTO_BUFFER_free(copy); }};
}

// The certificate after the leaf; null when a root is the leaf itself.
std::shared_ptr<CRYPTO_BUFFER> IssuerOf(const std::vector<X509*>& verified) {
  uint8_t* der = nullptr;
  const int size = verified.size() < 2 ? 0 : i2d_X509(verified[1], &der);
  const bssl::UniquePtr<uint8_t> owned(size > 0 ? der : nullptr);
  if (size <= 0) return nullptr;
  return {CRYPTO_BUFFER_new(der, static_cast<size_t>(size), nullptr),
          [](CRYPTO_BUFFER* made) { CRYPTO_BUFFER_free(made); }};
}

// A stack that borrows: its elements stay with their owner.
struct Release {
  void operator()(STACK_OF(X509) * stack) const { sk_X509_free(stack); }
};
using BorrowedStack = std::unique_ptr<STACK_OF(X509), Release>;

BorrowedStack Borrow(absl::Span<X509* const> certificates) {
  BorrowedStack stack(sk_X509_new_null());
  for (X509* certificate : certificates) {
    if (stack == nullptr || sk_X509_push(stack.get(), certificate) == 0) return nullptr;
  }
  return stack;
}

uint8_t AlertOf(Reason reason) {
  switch (reason) {
    case Reason::kCertificateExpired:
    case Reason::kCertificateNotYetValid:
      return SSL_AD_CERTIFICATE_EXPIRED;
    case Reason::kCertificateRevoked:
      return SSL_AD_CERTIFICATE_REVOKED;
    case Reason::kRevocationUnknown:
      return SSL_AD_CERTIFICATE_UNKNOWN;
    case Reason::kUnknownRoot:
    case Reason::kForeignTrustDomain:
      return SSL_AD_UNKNOWN_CA;
    case Reason::kCertificatePurpose:
      return SSL_AD_UNSUPPORTED_CERTIFICATE;
    case Reason::kInternal:
      return SSL_AD_INTERNAL_ERROR;
    default:
      return SSL_AD_BAD_CERTIFICATE;
  }
}

void Refuse(Reason reason, absl::string_view detail, PeerVerdict& verdict) {
  verdict.status = absl::UnauthenticatedError(detail);
  verdict.reason = reason;
  verdict.alert = AlertOf(reason);
}

// What X509_verify_cert() found wrong, and where.
struct ChainError {
  int code = X509_V_OK;
  size_t depth = 0;          // 0 is the leaf.
  const X509* at = nullptr;  // The certificate it is about; borrowed from the chain or the roots.
};

class ChainVerifier {
 public:
  ChainVerifier(X509* leaf, absl::Span<X509* const> intermediates, PeerRole role, absl::Time now,
                const PeerRules& rules)
      : leaf_(leaf), intermediates_(intermediates), role_(role), now_(now), rules_(rules) {}

  ChainError Verify(absl::Span<X509* const> roots) {
    ChainError error = VerifyWith(roots);
    if (error.code != X509_V_ERR_CERT_SIGNATURE_FAILURE) return error;
    // Several roots of one name (a rotation) and no key id to tell them apart: the first was tried.
    // Each gets its turn.
    for (X509* root : roots) {
      const bool named =
          X509_NAME_cmp(X509_get_subject_name(root), X509_get_issuer_name(error.at)) == 0;
      if (named && VerifyWith(absl::MakeConstSpan(&root, 1)).code == X509_V_OK) return {};
    }
    return error;
  }

  // After success: leaf first, the root last.
  const std::vector<X509*>& verified() const { return verified_; }

 private:
  ChainError VerifyWith(absl::Span<X509* const> roots) {
    // Empty: it is asked for exact matches, which only the stack of roots can give.
    bssl::UniquePtr<X509_STORE> store(X509_STORE_new());
    bssl::UniquePtr<X509_STORE_CTX> context(X509_STORE_CTX_new());
    BorrowedStack trusted = Borrow(roots);
    BorrowedStack untrusted = Borrow(intermediates_);
    const int purpose =
        role_ == PeerRole::kClient ? X509_PURPOSE_SSL_CLIENT : X509_PURPOSE_SSL_SERVER;
    if (store == nullptr || context == nullptr || trusted == nullptr || untrusted == nullptr ||
        X509_STORE_CTX_init(context.get(), store.get(), leaf_, untrusted.get()) != 1 ||
        X509_STORE_CTX_set_purpose(context.get(), purpose) != 1) {
      ERR_clear_error();
      return {X509_V_ERR_OUT_OF_MEM, 0, leaf_};
    }
    X509_STORE_CTX_trusted_stack(context.get(), trusted.get());
    // The shortest way to a root is the one that counts, and whatever is in the bundle is a root.
    X509_STORE_CTX_set_flags(context.get(), X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN);
    X509_STORE_CTX_set_time(context.get(), 0, absl::ToTimeT(now_));
    // Never reached: BoringSSL would say of a longer chain that its issuer is unknown.
    X509_STORE_CTX_set_depth(context.get(), kMaxChain + 1);
    if (rules_.ended_since != absl::InfiniteFuture()) {
      X509_STORE_CTX_set_app_data(context.get(), const_cast<PeerRules*>(&rules_));
      X509_STORE_CTX_set_verify_cb(context.get(), &OnError);
    }
    const bool ok = X509_verify_cert(context.get()) == 1;
    ERR_clear_error();
    if (ok) {
      const STACK_OF(X509)* chain = X509_STORE_CTX_get_chain(context.get());
      verified_.clear();
      for (size_t i = 0; i < sk_X509_num(chain); ++i) {
        verified_.push_back(sk_X509_value(chain, i));
      }
      return {};
    }
    ChainError error;
    error.code = X509_STORE_CTX_get_error(context.get());
    if (error.code == X509_V_OK) error.code = X509_V_ERR_UNSPECIFIED;
    error.depth = static_cast<size_t>(std::max(0, X509_STORE_CTX_get_error_depth(context.get())));
    const X509* at = X509_STORE_CTX_get_current_cert(context.get());
    error.at = at != nullptr ? at : leaf_;
    return error;
  }

  // Lets a certificate pass whose only fault is that it has ended, not too long ago.
  static int OnError(int ok, X509_STORE_CTX* context) noexcept {
    if (ok != 0 || X509_STORE_CTX_get_error(context) != X509_V_ERR_CERT_HAS_EXPIRED) return ok;
    const auto* rules = static_cast<const PeerRules*>(X509_STORE_CTX_get_app_data(context));
    const X509* at = X509_STORE_CTX_get_current_cert(context);
    if (at == nullptr || ToTime(X509_get0_notAfter(at)) < rules->ended_since) return 0;
    X509_STORE_CTX_set_error(context, X509_V_OK);
    return 1;
  }

  X509* const leaf_;
  const absl::Span<X509* const> intermediates_;
  const PeerRole role_;
  const absl::Time now_;
  const PeerRules& rules_;
  std::vector<X509*> verified_;
};

std::string Which(const ChainError& error) {
  if (error.depth == 0) return "its certificate";
  return absl::StrCat("the certificate of its issuer \"", NameText(X509_get_subject_name(error.at)),
                      "\"");
}

std::string Utc(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

std::string IssuerText(const X509& certificate) {
  const std::string key_id = IssuerKeyId(certificate);
  return absl::StrCat("issuer \"", NameText(X509_get_issuer_name(&certificate)), "\", key id ",
                      key_id.empty() ? "not given" : key_id);
}

void RefuseUnknownRoot(const ChainError& error, absl::string_view trust_domain,
                       PeerVerdict& verdict) {
  Refuse(Reason::kUnknownRoot,
         absl::StrCat("no root of ours for ", trust_domain, " has signed it: ",
                      IssuerText(*error.at), "; does our trust bundle hold its CA's root?"),
         verdict);
}

void Explain(const ChainError& error, absl::string_view trust_domain, absl::Time now,
             PeerVerdict& verdict) {
  const std::string which = Which(error);
  switch (error.code) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return Refuse(
          Reason::kCertificateExpired,
          absl::StrCat(which, " ended at ", Utc(ToTime(X509_get0_notAfter(error.at))),
                       ", our clock says ", Utc(now), "; was it not renewed, or is a clock wrong?"),
          verdict);
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return Refuse(Reason::kCertificateNotYetValid,
                    absl::StrCat(which, " begins at ", Utc(ToTime(X509_get0_notBefore(error.at))),
                                 ", our clock says ", Utc(now), "; which clock is wrong?"),
                    verdict);
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_UNTRUSTED:
      return RefuseUnknownRoot(error, trust_domain, verdict);
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
      // Without a key id only the name said that our root is its issuer; another CA can have it.
      if (IssuerKeyId(*error.at).empty()) return RefuseUnknownRoot(error, trust_domain, verdict);
      return Refuse(Reason::kBadCertificate, absl::StrCat("the signature on ", which, " is wrong"),
                    verdict);
    case X509_V_ERR_INVALID_CA:
    case X509_V_ERR_INVALID_NON_CA:
    case X509_V_ERR_INVALID_PURPOSE:
    case X509_V_ERR_PATH_LENGTH_EXCEEDED:
    case X509_V_ERR_KEYUSAGE_NO_CERTSIGN:
    case X509_V_ERR_PERMITTED_VIOLATION:
    case X509_V_ERR_EXCLUDED_VIOLATION:
    case X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE:
    case X509_V_ERR_UNSUPPORTED_CONSTRAINT_SYNTAX:
    case X509_V_ERR_UNSUPPORTED_NAME_SYNTAX:
    case X509_V_ERR_SUBTREE_MINMAX:
      return Refuse(Reason::kCertificatePurpose,
                    absl::StrCat(which, ": ", X509_verify_cert_error_string(error.code)), verdict);
    case X509_V_ERR_OUT_OF_MEM:
      return Refuse(Reason::kInternal, "no memory to verify its certificate", verdict);
    default:
      return Refuse(Reason::kBadCertificate,
                    absl::StrCat(which, ": ", X509_verify_cert_error_string(error.code)), verdict);
  }
}

// What X509_verify_cert() leaves open; the root itself is ours to choose.
absl::Status CheckStrength(const std::vector<X509*>& verified) {
  for (size_t i = 0; i + 1 < verified.size(); ++i) {
    absl::Status strength = CheckSignatureStrength(*verified[i]);
    if (strength.ok()) strength = CheckKeyStrength(*verified[i]);
    if (!strength.ok()) {
      const ChainError where = {X509_V_OK, i, verified[i]};
      return absl::InvalidArgumentError(absl::StrCat(Which(where), ": ", strength.message()));
    }
  }
  return absl::OkStatus();
}

std::string KeyDigestText(const X509& leaf) {
  PinSet::Digest digest;
  uint8_t* spki = nullptr;
  const int spki_size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(&leaf), &spki);
  bssl::UniquePtr<uint8_t> owned(spki_size > 0 ? spki : nullptr);
  if (spki_size <= 0) return "";
  SHA256(spki, static_cast<size_t>(spki_size), digest.data());
  return std::string(reinterpret_cast<const char*>(digest.data()), digest.size());
}

bool Names(const PinSet& pins, absl::string_view id) {
  if (pins.principals.empty()) return true;
  return std::any_of(pins.principals.begin(), pins.principals.end(), [id](absl::string_view name) {
    return absl::ConsumeSuffix(&name, "*") ? absl::StartsWith(id, name) : id == name;
  });
}

bool Holds(const std::vector<PinSet::Digest>& pins, absl::string_view digest) {
  return std::any_of(pins.begin(), pins.end(), [digest](const PinSet::Digest& pin) {
    return digest == absl::string_view(reinterpret_cast<const char*>(pin.data()), pin.size());
  });
}

// The first set that names the peer and holds neither its certificate nor its key.
const PinSet* FindBrokenPin(const std::vector<PinSet>& sets, absl::string_view id,
                            const X509& leaf) {
  for (const PinSet& pins : sets) {
    if (!Names(pins, id)) continue;
    if (Holds(pins.public_keys, KeyDigestText(leaf))) continue;
    PinSet::Digest digest;
    unsigned size = 0;
    if (X509_digest(&leaf, EVP_sha256(), digest.data(), &size) == 1 &&
        Holds(pins.certificates, {reinterpret_cast<const char*>(digest.data()), size})) {
      continue;
    }
    return &pins;
  }
  return nullptr;
}

void RefuseRevoked(const ChainKeys& keys, const TrustBundle& bundle, absl::Time now,
                   const PeerRules& rules, PeerVerdict& verdict) {
  using Standing = RevocationLists::Standing;
  if (rules.revocation == RevocationMode::kOff) return;
  const auto finding = bundle.revoked().Check(keys, now);
  if (finding.standing == Standing::kRevoked) {
    return Refuse(Reason::kCertificateRevoked, finding.detail, verdict);
  }
  if (finding.standing == Standing::kGood || rules.revocation == RevocationMode::kSoft) return;
  Refuse(Reason::kRevocationUnknown,
         absl::StrCat(finding.detail, "; revocation is hard here, so it counts as revoked"),
         verdict);
}

// A peer's chain as it was sent, leaf first.
class SentChain {
 public:
  bool Parse(absl::Span<CRYPTO_BUFFER* const> chain, PeerVerdict& verdict) {
    if (chain.empty() || chain.size() > size_t{kMaxChain}) {
      Refuse(Reason::kBadCertificate,
             absl::StrCat("it sent ", chain.size(), " certificates instead of 1 to ", kMaxChain),
             verdict);
      return false;
    }
    for (size_t i = 0; i < chain.size(); ++i) {
      owned_.emplace_back(X509_parse_from_buffer(chain[i]));
      ERR_clear_error();
      if (owned_.back() == nullptr) {
        Refuse(Reason::kBadCertificate, absl::StrCat("certificate ", i + 1, " is malformed"),
               verdict);
        return false;
      }
      borrowed_.push_back(owned_.back().get());
    }
    return true;
  }

  X509* leaf() const { return borrowed_.front(); }
  absl::Span<X509* const> intermediates() const {
    return absl::MakeConstSpan(borrowed_).subspan(1);
  }

 private:
  std::vector<bssl::UniquePtr<X509>> owned_;
  std::vector<X509*> borrowed_;
};

// Up to one of `roots`, which are `whose`: signatures, validity, length and strength.
bool RefuseChain(ChainVerifier& verifier, absl::Span<X509* const> roots, absl::string_view whose,
                 absl::Time now, const PeerRules& rules, PeerVerdict& verdict) {
  if (ChainError error = verifier.Verify(roots); error.code != X509_V_OK) {
    Explain(error, whose, now, verdict);
    return true;
  }
  const std::vector<X509*>& verified = verifier.verified();
  if (verified.size() > size_t{2} + rules.max_intermediates) {
    Refuse(Reason::kChainTooLong,
           absl::StrCat(verified.size() - 2,
                        " intermediates stand between its certificate and a "
                        "root of ours, more than ",
                        int{rules.max_intermediates}),
           verdict);
    return true;
  }
  if (absl::Status strength = CheckStrength(verified); !strength.ok()) {
    Refuse(Reason::kWeakKey, strength.message(), verdict);
    return true;
  }
  return false;
}

ChainKeys KeysOf(const std::vector<X509*>& verified) {
  ChainKeys keys;
  for (size_t i = 0; i + 1 < verified.size(); ++i) {
    keys.push_back(KeyOf(*verified[i], *verified[i + 1]));
  }
  return keys;
}

}  // namespace

PeerVerdict VerifyPeer(absl::Span<CRYPTO_BUFFER* const> chain, PeerRole role,
                       const TrustBundle& bundle, absl::Time now, const PeerRules& rules) {
  PeerVerdict verdict;
  SentChain sent;
  if (!sent.Parse(chain, verdict)) return verdict;
  const X509* leaf = sent.leaf();
  SvidCheck svid = CheckSvid(*leaf);
  if (!svid.status.ok()) {
    Refuse(svid.reason, absl::StrCat("its certificate: ", svid.status.message()), verdict);
    return verdict;
  }
  const absl::string_view trust_domain = svid.id->trust_domain();
  const std::vector<X509*>& roots = bundle.RootsOf(trust_domain);
  if (roots.empty()) {
    Refuse(Reason::kForeignTrustDomain,
           absl::StrCat("it says it is ", svid.id->text(), ", and our trust bundle has no root of ",
                        trust_domain),
           verdict);
    return verdict;
  }
  ChainVerifier verifier(sent.leaf(), sent.intermediates(), role, now, rules);
  if (RefuseChain(verifier, roots, trust_domain, now, rules, verdict)) return verdict;
  if (const PinSet* broken = FindBrokenPin(rules.pins, svid.id->text(), *leaf)) {
    Refuse(
        Reason::kPinMismatch,
        absl::StrCat("neither the certificate of ", svid.id->text(), " nor its key is one of the ",
                     broken->certificates.size() + broken->public_keys.size(),
                     " that the TrustPolicy pins; its key has the SHA-256 ",
                     absl::BytesToHexString(KeyDigestText(*leaf))),
        verdict);
    return verdict;
  }
  absl::Time not_after = absl::InfiniteFuture();
  for (const X509* certificate : verifier.verified()) {
    not_after = std::min(not_after, ToTime(X509_get0_notAfter(certificate)));
  }
  ChainKeys keys = KeysOf(verifier.verified());
  RefuseRevoked(keys, bundle, now, rules, verdict);
  if (verdict.reason == Reason::kCertificateRevoked) return verdict;
  verdict.peer = Peer{*std::move(svid.id), Describe(*leaf), not_after,
                      std::make_shared<const ChainKeys>(std::move(keys)), Copy(chain.front())};
  if (rules.revocation != RevocationMode::kOff)
    verdict.peer->issuer = IssuerOf(verifier.verified());
  return verdict;
}

PeerVerdict VerifyServer(absl::Span<CRYPTO_BUFFER* const> chain,
                         absl::Span<const std::string> names, const TrustBundle& bundle,
                         absl::Time now, const PeerRules& rules) {
  PeerVerdict verdict;
  SentChain sent;
  if (!sent.Parse(chain, verdict)) return verdict;
  ChainVerifier verifier(sent.leaf(), sent.intermediates(), PeerRole::kServer, now, rules);
  const std::string& whose = bundle.domains().front().trust_domain;
  if (RefuseChain(verifier, bundle.RootsOf(whose), whose, now, rules, verdict)) return verdict;
  if (absl::Status named = CheckServerNames(*sent.leaf(), names); !named.ok()) {
    Refuse(Reason::kWrongSan, named.message(), verdict);
    return verdict;
  }
  ChainKeys keys = KeysOf(verifier.verified());
  RefuseRevoked(keys, bundle, now, rules, verdict);
  verdict.server = {Copy(chain.front()), IssuerOf(verifier.verified()),
                    std::make_shared<const ChainKeys>(std::move(keys))};
  return verdict;
}

Standing CheckStanding(const Peer& peer, const TrustBundle& bundle, absl::Time now,
                       const PeerRules& rules) {
  if (rules.revocation != RevocationMode::kOff && peer.chain != nullptr) {
    const auto finding = bundle.revoked().Check(*peer.chain, now);
    if (finding.standing == RevocationLists::Standing::kRevoked) {
      return {absl::UnauthenticatedError(finding.detail), Reason::kCertificateRevoked};
    }
  }
  return {};
}

bool IsRevoked(const Identity& identity, const TrustBundle& bundle, absl::Time now) {
  if (bundle.revoked().empty()) return false;
  ChainKeys keys;
  const std::vector<X509*>& chain = identity.chain();
  for (size_t i = 0; i + 1 < chain.size(); ++i) keys.push_back(KeyOf(*chain[i], *chain[i + 1]));
  for (const X509* root : bundle.RootsOf(identity.id().trust_domain())) {
    // Whichever of the roots it is: a list counts only with its issuer's signature.
    ChainKeys with_root = keys;
    with_root.push_back(KeyOf(*chain.back(), *root));
    if (bundle.revoked().Check(with_root, now).standing == RevocationLists::Standing::kRevoked) {
      return true;
    }
  }
  return false;
}

void RequireIdentity(absl::Span<const base::SpiffeId> expected, PeerVerdict& verdict) {
  if (!verdict.status.ok()) return;
  for (const base::SpiffeId& id : expected) {
    if (id == verdict.peer->id) return;
  }
  const std::string wanted =
      absl::StrJoin(expected.subspan(0, 4), " or ",
                    [](std::string* out, const base::SpiffeId& id) { *out += id.text(); });
  Refuse(Reason::kWrongSan,
         absl::StrCat("expected ", expected.empty() ? "nobody" : wanted,
                      expected.size() > 4 ? " or others" : "", ", got ", verdict.peer->id.text(),
                      "; is it in the service's list of principals?"),
         verdict);
}

}  // namespace kith::tls
