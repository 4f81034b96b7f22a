#include "source/policy/peer_authentication.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "source/base/status.h"

namespace kith::policy {
namespace {

using security::v1::PeerAuthentication;
using security::v1::PeerAuthenticationSpec;
using MutualTls = PeerAuthenticationSpec::MutualTLS;

// The mesh, a namespace, or single workloads by their labels.
enum class Level { kMesh, kNamespace, kWorkload };

std::string NameOf(const PeerAuthentication& policy) {
  return absl::StrCat(NamespaceOf(policy.metadata()), "/", policy.metadata().name());
}

absl::Status Invalid(absl::string_view field, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", what));
}

absl::Status Check(const PeerAuthentication& policy) {
  const PeerAuthenticationSpec& spec = policy.spec();
  KITH_RETURN_IF_ERROR(ValidateScope(policy.metadata(), spec.selector()));
  KITH_RETURN_IF_ERROR(ValidateCreationTime(policy.metadata()));
  if (!MutualTls::Mode_IsValid(spec.mtls().mode())) {
    return Invalid("spec.mtls.mode", absl::StrCat("unknown value ", spec.mtls().mode()));
  }
  for (const auto& [port, mtls] : spec.port_level_mtls()) {
    const std::string field = absl::StrCat("spec.portLevelMtls[", port, "]");
    if (port < 1 || port > 65535) return Invalid(field, "a port is 1 to 65535");
    if (!MutualTls::Mode_IsValid(mtls.mode())) {
      return Invalid(absl::StrCat(field, ".mode"), absl::StrCat("unknown value ", mtls.mode()));
    }
    if (!HasLabels(spec.selector())) {
      return Invalid(
          "spec.portLevelMtls",
          "needs a selector with labels: a port belongs to workloads, not to a namespace");
    }
  }
  return absl::OkStatus();
}

// Whether `a` holds rather than `b`, of the same level: the older, as Istio has it.
absl::StatusOr<bool> Precedes(const PeerAuthentication& a, const PeerAuthentication& b) {
  absl::Time created[2];
  const PeerAuthentication* const both[2] = {&a, &b};
  for (int i = 0; i < 2; ++i) {
    if (!absl::ParseTime(absl::RFC3339_full, both[i]->metadata().creation_timestamp(), &created[i],
                         nullptr)) {
      return Invalid(NameOf(a),
                     absl::StrCat("selects the same workloads as ", NameOf(b),
                                  " does, and no metadata.creationTimestamp decides; remove one"));
    }
  }
  if (created[0] != created[1]) return created[0] < created[1];
  return a.metadata().name() < b.metadata().name();
}

void Apply(const PeerAuthentication* policy, MutualTls::Mode& mode) {
  if (policy != nullptr && policy->spec().mtls().mode() != MutualTls::UNSET) {
    mode = policy->spec().mtls().mode();
  }
}

}  // namespace

absl::Status Validate(const PeerAuthentication& policy) {
  return base::Annotate(Check(policy), NameOf(policy));
}

absl::StatusOr<EffectiveMtls> ResolvePeerAuthentication(
    absl::Span<const PeerAuthentication> policies, const Workload& workload) {
  const PeerAuthentication* holding[3] = {};
  for (const PeerAuthentication& policy : policies) {
    const absl::string_view name_space = NamespaceOf(policy.metadata());
    const bool in_root = name_space == workload.root_namespace;
    if (!in_root && name_space != workload.name_space) continue;
    Level level = in_root ? Level::kMesh : Level::kNamespace;
    if (HasLabels(policy.spec().selector())) {
      // In the root namespace a selector would span namespaces, which PeerAuthentication does not
      // do.
      if (in_root || !SelectsLabels(policy.spec().selector(), workload.labels)) continue;
      level = Level::kWorkload;
    }
    KITH_RETURN_IF_ERROR(Validate(policy));
    const PeerAuthentication*& held = holding[static_cast<int>(level)];
    bool precedes = true;
    if (held != nullptr) {
      KITH_ASSIGN_OR_RETURN(precedes, Precedes(policy, *held));
    }
    if (precedes) held = &policy;
  }

  EffectiveMtls effective;
  for (const PeerAuthentication* policy : holding) Apply(policy, effective.mode);
  const PeerAuthentication* own = holding[static_cast<int>(Level::kWorkload)];
  if (own == nullptr) return effective;
  for (const auto& [port, mtls] : own->spec().port_level_mtls()) {
    if (mtls.mode() == MutualTls::UNSET || mtls.mode() == effective.mode) continue;
    effective.port_modes[static_cast<uint16_t>(port)] = mtls.mode();
  }
  return effective;
}

}  // namespace kith::policy
