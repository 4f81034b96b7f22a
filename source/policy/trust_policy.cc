#include "source/policy/trust_policy.h"

#include <algorithm>
#include <string>
#include <tuple>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/time.h"
#include "source/base/spiffe_id.h"
#include "source/base/status.h"

namespace kith::policy {
namespace {

using trust::v1::PinSet;
using trust::v1::TrustPolicy;
using trust::v1::TrustPolicySpec;

constexpr int kMaxPinSets = 64;
constexpr int kMaxPins = 64;  // Of one set.
constexpr int64_t kMaxAgeSeconds = int64_t{10} * 365 * 24 * 3600;

// The suites of TLS 1.2 with forward secrecy and authenticated encryption; tls/context.cc has the
// same, which a test compares.
constexpr absl::string_view kCipherSuites[] = {
    "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305",
};

absl::Status Invalid(absl::string_view field, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", what));
}

absl::Status CheckPrincipal(const std::string& field, absl::string_view principal) {
  const bool prefix = absl::EndsWith(principal, "*");
  if (prefix) principal.remove_suffix(1);
  if (absl::StrContains(principal, '*')) return Invalid(field, "one \"*\" at the end is allowed");
  if (!absl::StartsWith(principal, "spiffe://")) {
    return Invalid(field, "is no SPIFFE ID, as in spiffe://cluster.local/ns/demo/sa/backend");
  }
  if (prefix) return absl::OkStatus();
  const auto id = base::SpiffeId::Parse(principal);
  return id.ok() ? absl::OkStatus() : Invalid(field, id.status().message());
}

absl::Status CheckPins(const std::string& field, const PinSet& pins) {
  if (pins.principals().empty()) {
    return Invalid(absl::StrCat(field, ".principals"), "is required: whose pins are these?");
  }
  for (int i = 0; i < pins.principals_size(); ++i) {
    KITH_RETURN_IF_ERROR(
        CheckPrincipal(absl::StrCat(field, ".principals[", i, "]"), pins.principals(i)));
  }
  const int count = pins.certificates_size() + pins.public_keys_size();
  if (count < 2) {
    return Invalid(field,
                   "needs a second pin, of the certificate or key that comes next: without one the "
                   "next rotation locks the peer out");
  }
  if (count > kMaxPins) return Invalid(field, absl::StrCat("has more than ", kMaxPins, " pins"));
  const auto check = [&](absl::string_view name, const auto& all) -> absl::Status {
    for (int i = 0; i < all.size(); ++i) {
      const auto pin = ParsePin(all[i]);
      if (!pin.ok()) {
        return Invalid(absl::StrCat(field, ".", name, "[", i, "]"), pin.status().message());
      }
    }
    return absl::OkStatus();
  };
  KITH_RETURN_IF_ERROR(check("certificates", pins.certificates()));
  return check("publicKeys", pins.public_keys());
}

absl::Status CheckTls(const TrustPolicySpec& spec) {
  if (!TrustPolicySpec::TlsVersion_IsValid(spec.min_version())) {
    return Invalid("spec.minVersion", absl::StrCat("unknown value ", spec.min_version()));
  }
  for (int i = 0; i < spec.cipher_suites_size(); ++i) {
    const auto* const end = std::end(kCipherSuites);
    if (std::find(std::begin(kCipherSuites), end, spec.cipher_suites(i)) == end) {
      return Invalid(absl::StrCat("spec.cipherSuites[", i, "]"),
                     absl::StrCat("\"", spec.cipher_suites(i), "\" is not one of ",
                                  kCipherSuites[0], " and its kin (docs/trust-policy.md)"));
    }
  }
  if (!TrustPolicySpec::ClientCertificate_IsValid(spec.client_certificate())) {
    return Invalid("spec.clientCertificate",
                   absl::StrCat("unknown value ", spec.client_certificate()));
  }
  for (const auto& [port, wanted] : spec.port_client_certificates()) {
    const std::string field = absl::StrCat("spec.portClientCertificates[", port, "]");
    if (port < 1 || port > 65535) return Invalid(field, "a port is 1 to 65535");
    if (!TrustPolicySpec::ClientCertificate_IsValid(wanted) ||
        wanted == TrustPolicySpec::CLIENT_CERTIFICATE_UNSPECIFIED) {
      return Invalid(field, "must be REQUIRE, WANT or NONE");
    }
    if (!HasLabels(spec.selector())) {
      return Invalid(
          "spec.portClientCertificates",
          "needs a selector with labels: a port belongs to workloads, not to a namespace");
    }
  }
  return absl::OkStatus();
}

absl::Status Check(const TrustPolicy& policy) {
  const TrustPolicySpec& spec = policy.spec();
  KITH_RETURN_IF_ERROR(ValidateScope(policy.metadata(), spec.selector()));
  KITH_RETURN_IF_ERROR(ValidateCreationTime(policy.metadata()));
  KITH_RETURN_IF_ERROR(CheckTls(spec));
  if (spec.verify_depth() > kMaxVerifyDepth) {
    return Invalid("spec.verifyDepth", absl::StrCat("must be 0 to ", kMaxVerifyDepth));
  }
  if (spec.pins_size() > kMaxPinSets) {
    return Invalid("spec.pins", absl::StrCat("has more than ", kMaxPinSets, " entries"));
  }
  for (int i = 0; i < spec.pins_size(); ++i) {
    KITH_RETURN_IF_ERROR(CheckPins(absl::StrCat("spec.pins[", i, "]"), spec.pins(i)));
  }
  if (!TrustPolicySpec::Revocation_IsValid(spec.revocation())) {
    return Invalid("spec.revocation", absl::StrCat("unknown value ", spec.revocation()));
  }
  if (!TrustPolicySpec::BreakGlass_IsValid(spec.break_glass())) {
    return Invalid("spec.breakGlass", absl::StrCat("unknown value ", spec.break_glass()));
  }
  if (spec.has_max_connection_age()) {
    const auto& age = spec.max_connection_age();
    if (age.seconds() < 1 || age.seconds() > kMaxAgeSeconds || age.nanos() < 0) {
      return Invalid("spec.maxConnectionAge", "must be 1 s to ten years");
    }
  }
  return absl::OkStatus();
}

// Lower comes first.
int LevelOf(const TrustPolicy& policy, const Workload& workload) {
  const bool own = NamespaceOf(policy.metadata()) == workload.name_space;
  const bool labels = HasLabels(policy.spec().selector());
  // The root namespace's own workloads have its policies as those of their namespace.
  if (own && labels) return 0;
  if (own && workload.name_space != workload.root_namespace) return 1;
  return labels ? 2 : 3;
}

absl::Time CreatedAt(const TrustPolicy& policy) {
  absl::Time created;
  const std::string& text = policy.metadata().creation_timestamp();
  return absl::ParseTime(absl::RFC3339_full, text, &created, nullptr) ? created
                                                                      : absl::InfiniteFuture();
}

}  // namespace

absl::Status Validate(const TrustPolicy& policy) {
  return base::Annotate(
      Check(policy), absl::StrCat(NamespaceOf(policy.metadata()), "/", policy.metadata().name()));
}

std::vector<const TrustPolicy*> SelectTrustPolicies(absl::Span<const TrustPolicy> policies,
                                                    const Workload& workload) {
  using Key = std::tuple<int, absl::Time, absl::string_view>;
  std::vector<std::pair<Key, const TrustPolicy*>> selected;
  for (const TrustPolicy& policy : policies) {
    const absl::string_view name_space = NamespaceOf(policy.metadata());
    if (name_space != workload.name_space && name_space != workload.root_namespace) continue;
    if (!SelectsLabels(policy.spec().selector(), workload.labels)) continue;
    selected.emplace_back(
        Key(LevelOf(policy, workload), CreatedAt(policy), policy.metadata().name()), &policy);
  }
  std::sort(selected.begin(), selected.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<const TrustPolicy*> in_order;
  in_order.reserve(selected.size());
  for (const auto& [key, policy] : selected) in_order.push_back(policy);
  return in_order;
}

absl::StatusOr<std::array<uint8_t, 32>> ParsePin(absl::string_view text) {
  constexpr absl::string_view kHex = "0123456789abcdefABCDEF";
  const std::string hex = absl::StrReplaceAll(text, {{":", ""}});
  std::array<uint8_t, 32> pin{};
  std::string bytes;
  if (hex.size() == 2 * pin.size() && hex.find_first_not_of(kHex.data()) == std::string::npos) {
    bytes = absl::HexStringToBytes(hex);
  } else if (!absl::Base64Unescape(text, &bytes) || bytes.size() != pin.size()) {
    return absl::InvalidArgumentError("is no SHA-256 digest: 64 hex digits, or base64 of 32 bytes");
  }
  std::copy(bytes.begin(), bytes.end(), pin.begin());
  return pin;
}

}  // namespace kith::policy
