#include "source/controlplane/ca/issue_bounds.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "source/base/spiffe_id.h"
#include "source/base/status.h"
#include "source/controlplane/ca/refusal.h"
#include "source/x509/key_type.h"

namespace kith::controlplane {
namespace {

absl::Status Wrong(absl::string_view field, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("issuance.", field, ": ", what));
}

absl::StatusOr<absl::Duration> Positive(const google::protobuf::Duration& value,
                                        absl::string_view field) {
  const absl::Duration duration = absl::Seconds(value.seconds()) + absl::Nanoseconds(value.nanos());
  if (duration < absl::Seconds(1)) return Wrong(field, "is less than 1s");
  return duration;
}

absl::StatusOr<IssueBounds::NamespaceBounds> Read(
    const kith::config::v1::NamespaceIssuance& config) {
  const std::string field = absl::StrCat("namespaces[", config.namespace_(), "]");
  IssueBounds::NamespaceBounds bounds;
  if (config.has_max_leaf_lifetime()) {
    KITH_ASSIGN_OR_RETURN(bounds.max_leaf_lifetime,
                          Positive(config.max_leaf_lifetime(), field + ".max_leaf_lifetime"));
  }
  for (const std::string& name : config.key_types()) {
    const auto type = x509::ParseKeyType(name);
    if (!type.ok()) return Wrong(field + ".key_types", type.status().message());
    bounds.key_types.emplace_back(x509::Name(*type));
  }
  bounds.service_accounts.assign(config.service_accounts().begin(),
                                 config.service_accounts().end());
  bounds.max_certificates = config.max_certificates();
  if (config.has_interval()) {
    KITH_ASSIGN_OR_RETURN(bounds.interval, Positive(config.interval(), field + ".interval"));
  }
  return bounds;
}

bool Contains(const std::vector<std::string>& list, absl::string_view value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

absl::Status Later(absl::string_view what, absl::Duration wait, absl::Duration& retry_after) {
  retry_after = std::max(wait, absl::Milliseconds(10));
  return Refuse(absl::StatusCode::kResourceExhausted, Refusal::kRateLimited,
                absl::StrCat(what, "; try again in ", absl::FormatDuration(retry_after)));
}

absl::Status Never(absl::string_view what) {
  return Refuse(absl::StatusCode::kPermissionDenied, Refusal::kNotAllowed, what);
}

}  // namespace

absl::StatusOr<IssueBounds::Options> IssueBounds::Options::From(
    const kith::config::v1::ControlPlaneConfig& config) {
  Options options;
  const auto& caller = config.issuance().caller();
  if (caller.per_second() > 0) options.per_second = caller.per_second();
  if (caller.burst() > 0) options.burst = caller.burst();
  if (caller.concurrent() > 0) options.concurrent = caller.concurrent();
  for (const auto& each : config.issuance().namespaces()) {
    const std::string& name = each.namespace_();
    if (name != "*" && !base::IsSpiffeSegment(name)) {
      return Wrong("namespaces.namespace", absl::StrCat("\"", name, "\" is no namespace's name"));
    }
    KITH_ASSIGN_OR_RETURN(NamespaceBounds bounds, Read(each));
    if (!options.namespaces.emplace(name, std::move(bounds)).second) {
      return Wrong("namespaces", absl::StrCat("\"", name, "\" is there twice"));
    }
  }
  return options;
}

IssueBounds::Ticket::Ticket(Ticket&& other) noexcept
    : bounds_(std::exchange(other.bounds_, nullptr)), caller_(std::move(other.caller_)) {}

IssueBounds::Ticket::~Ticket() {
  if (bounds_ != nullptr) bounds_->Release(caller_);
}

const IssueBounds::NamespaceBounds* IssueBounds::BoundsOf(const std::string& name_space) const {
  auto found = options_.namespaces.find(name_space);
  if (found == options_.namespaces.end()) found = options_.namespaces.find("*");
  return found == options_.namespaces.end() ? nullptr : &found->second;
}

IssueBounds::Meter& IssueBounds::MeterOf(const std::string& caller, absl::Time now) {
  if (meters_.size() >= kMaxCallers && !meters_.contains(caller)) {
    // Callers that wait for nothing lose no more than what they had saved up or used up.
    absl::erase_if(meters_, [](const auto& each) { return each.second.open == 0; });
  }
  const auto [found, added] = meters_.try_emplace(caller, Meter{options_.burst, now, 0});
  Meter& meter = found->second;
  // A clock that is set back fills nothing.
  const double seconds = std::max(0.0, absl::ToDoubleSeconds(now - meter.filled));
  if (!added) meter.tokens = std::min(options_.burst, meter.tokens + seconds * options_.per_second);
  meter.filled = now;
  return meter;
}

absl::StatusOr<IssueBounds::Ticket> IssueBounds::Admit(const Caller& caller,
                                                       absl::Duration& retry_after) {
  const absl::Time now = options_.clock->Now();
  const std::string name = caller.ToString();
  const NamespaceBounds* bounds = BoundsOf(caller.name_space);
  if (bounds != nullptr && !bounds->service_accounts.empty() &&
      !Contains(bounds->service_accounts, caller.service_account)) {
    return Never(absl::StrCat("service account ", name,
                              " is issued nothing; issuance.namespaces names those that are"));
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  Meter& meter = MeterOf(name, now);
  if (meter.open >= options_.concurrent) {
    return Later(absl::StrCat(name, " has ", meter.open, " requests that are not answered yet"),
                 absl::Seconds(1), retry_after);
  }
  if (meter.tokens < 1) {
    return Later(
        absl::StrCat(name, " asks for more than ", options_.per_second, " certificates a second"),
        absl::Seconds((1 - meter.tokens) / options_.per_second), retry_after);
  }
  if (bounds != nullptr && bounds->max_certificates > 0) {
    Window& window = windows_[caller.name_space];
    if (now < window.begun || now >= window.begun + bounds->interval) window = {now, 0};
    if (window.certificates >= bounds->max_certificates) {
      return Later(absl::StrCat("namespace ", caller.name_space, " had ", window.certificates,
                                " certificates within ", absl::FormatDuration(bounds->interval)),
                   window.begun + bounds->interval - now, retry_after);
    }
    window.certificates++;
  }
  meter.tokens -= 1;
  meter.open++;
  return Ticket(this, name);
}

void IssueBounds::Release(const std::string& caller) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = meters_.find(caller);
  if (found != meters_.end() && found->second.open > 0) found->second.open--;
}

bool IssueBounds::ChecksKeyTypes(const Caller& caller) const {
  const NamespaceBounds* bounds = BoundsOf(caller.name_space);
  return bounds != nullptr && !bounds->key_types.empty();
}

absl::Status IssueBounds::CheckKeyType(const Caller& caller, absl::string_view key_type) const {
  const NamespaceBounds* bounds = BoundsOf(caller.name_space);
  if (bounds == nullptr || bounds->key_types.empty() || Contains(bounds->key_types, key_type)) {
    return absl::OkStatus();
  }
  return Never(absl::StrCat("keys of type ", key_type, " are not certified in namespace ",
                            caller.name_space, "; use ", absl::StrJoin(bounds->key_types, ", ")));
}

absl::Duration IssueBounds::MaxLifetime(const Caller& caller) const {
  const NamespaceBounds* bounds = BoundsOf(caller.name_space);
  return bounds == nullptr ? absl::InfiniteDuration() : bounds->max_leaf_lifetime;
}

}  // namespace kith::controlplane
