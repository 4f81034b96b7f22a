#include "source/control/trust_rules.h"

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "kith/trust/v1/trust_policy.pb.h"
#include "source/base/status.h"
#include "source/policy/trust_policy.h"
#include "source/tls/context.h"

namespace kith::control {
namespace {

using trust::v1::TrustPolicy;
using trust::v1::TrustPolicySpec;
using Policies = google::protobuf::RepeatedPtrField<TrustPolicy>;

// The first policy that sets a field, as `sets` tells; null when none does.
template <typename Sets>
const TrustPolicySpec* First(const Policies& policies, Sets sets) {
  const auto found =
      absl::c_find_if(policies, [&sets](const TrustPolicy& policy) { return sets(policy.spec()); });
  return found == policies.end() ? nullptr : &found->spec();
}

tls::ClientCertificate Wanted(TrustPolicySpec::ClientCertificate wanted) {
  switch (wanted) {
    case TrustPolicySpec::WANT:
      return tls::ClientCertificate::kWant;
    case TrustPolicySpec::NONE:
      return tls::ClientCertificate::kNone;
    default:
      return tls::ClientCertificate::kRequire;
  }
}

tls::RevocationMode Mode(TrustPolicySpec::Revocation revocation) {
  switch (revocation) {
    case TrustPolicySpec::OFF:
      return tls::RevocationMode::kOff;
    case TrustPolicySpec::HARD:
      return tls::RevocationMode::kHard;
    default:
      return tls::RevocationMode::kSoft;
  }
}

absl::StatusOr<tls::PinSet> Pins(const trust::v1::PinSet& from) {
  tls::PinSet pins;
  pins.principals.assign(from.principals().begin(), from.principals().end());
  for (const std::string& text : from.certificates()) {
    KITH_ASSIGN_OR_RETURN(const auto pin, policy::ParsePin(text));
    pins.certificates.push_back(pin);
  }
  for (const std::string& text : from.public_keys()) {
    KITH_ASSIGN_OR_RETURN(const auto pin, policy::ParsePin(text));
    pins.public_keys.push_back(pin);
  }
  return pins;
}

absl::Status CheckCiphers(const TrustPolicySpec& spec) {
  for (const std::string& name : spec.cipher_suites()) {
    if (!absl::c_linear_search(tls::Tls12Ciphers(), name)) {
      return absl::InvalidArgumentError(
          absl::StrCat("cipherSuites: \"", name, "\" is unknown to this sidecar"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<tls::TrustRules> TranslateTrustPolicies(const Policies& policies,
                                                       const tls::TrustRules& otherwise) {
  for (const TrustPolicy& policy : policies) {
    KITH_RETURN_IF_ERROR(policy::Validate(policy));
    KITH_RETURN_IF_ERROR(CheckCiphers(policy.spec()));
  }
  tls::TrustRules rules = otherwise;
  if (const auto* spec = First(policies, [](const auto& s) { return s.min_version() != 0; })) {
    rules.min_version = spec->min_version() == TrustPolicySpec::TLS1_2 ? tls::MinVersion::kTls12
                                                                       : tls::MinVersion::kTls13;
  }
  if (const auto* spec =
          First(policies, [](const auto& s) { return s.cipher_suites_size() > 0; })) {
    rules.tls12_ciphers.assign(spec->cipher_suites().begin(), spec->cipher_suites().end());
  }
  if (const auto* spec =
          First(policies, [](const auto& s) { return s.client_certificate() != 0; })) {
    rules.client_certificate = Wanted(spec->client_certificate());
  }
  if (const auto* spec =
          First(policies, [](const auto& s) { return !s.port_client_certificates().empty(); })) {
    for (const auto& [port, wanted] : spec->port_client_certificates()) {
      rules.port_client_certificates[static_cast<uint16_t>(port)] =
          Wanted(static_cast<TrustPolicySpec::ClientCertificate>(wanted));
    }
  }
  if (const auto* spec = First(policies, [](const auto& s) { return s.has_verify_depth(); })) {
    rules.peer.max_intermediates = static_cast<uint8_t>(spec->verify_depth());
  }
  if (const auto* spec = First(policies, [](const auto& s) { return s.pins_size() > 0; })) {
    rules.peer.pins.clear();
    for (const trust::v1::PinSet& from : spec->pins()) {
      KITH_ASSIGN_OR_RETURN(auto pins, Pins(from));
      rules.peer.pins.push_back(std::move(pins));
    }
  }
  if (const auto* spec = First(policies, [](const auto& s) { return s.revocation() != 0; })) {
    rules.peer.revocation = Mode(spec->revocation());
  }
  if (const auto* spec =
          First(policies, [](const auto& s) { return s.has_max_connection_age(); })) {
    rules.max_connection_age = absl::Seconds(spec->max_connection_age().seconds()) +
                               absl::Nanoseconds(spec->max_connection_age().nanos());
  }
  if (const auto* spec = First(policies, [](const auto& s) { return s.break_glass() != 0; })) {
    rules.break_glass_allowed = spec->break_glass() == TrustPolicySpec::ALLOW;
  }
  return rules;
}

}  // namespace kith::control
