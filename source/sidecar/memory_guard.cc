#include "source/sidecar/memory_guard.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "source/base/log.h"
#include "source/telemetry/families.h"

namespace kith::sidecar {

using proxy::MemoryPressure;

namespace {

absl::string_view Describe(MemoryPressure pressure) {
  switch (pressure) {
    case MemoryPressure::kNone:
      return "memory suffices again: everything is taken";
    case MemoryPressure::kShedRequests:
      return "memory is short: inbound requests are refused";
    case MemoryPressure::kRefuseConnections:
      return "memory is very short: inbound connections are refused and drained";
  }
  return "";
}

}  // namespace

MemoryGuard::MemoryGuard(event::Loop& loop, Options options)
    : options_(std::move(options)), timer_(loop, [this] { Look(); }) {
  options_.metrics->GetGauge(telemetry::kMemoryLimit, {})
      .Set(static_cast<double>(options_.limit_bytes));
  options_.metrics->GetGauge(telemetry::kMemoryPressureLevel, {}).Set(0);
  if (options_.limit_bytes > 0) Look();
}

MemoryPressure MemoryGuard::PressureNow() const {
  const double share =
      static_cast<double>(resident_bytes_) / static_cast<double>(options_.limit_bytes);
  const bool refusing = pressure_ == MemoryPressure::kRefuseConnections;
  const bool shedding = pressure_ != MemoryPressure::kNone;
  if (share >= (refusing ? kRefuseOver : kRefuse)) return MemoryPressure::kRefuseConnections;
  if (share >= (shedding ? kShedOver : kShed)) return MemoryPressure::kShedRequests;
  return MemoryPressure::kNone;
}

void MemoryGuard::Look() {
  resident_bytes_ = options_.resident_bytes();
  options_.metrics->GetGauge(telemetry::kMemoryResident, {})
      .Set(static_cast<double>(resident_bytes_));
  const absl::Time now = options_.clock->Now();
  const MemoryPressure pressure = PressureNow();
  if (pressure != pressure_) Change(pressure);
  if (pressure_ != MemoryPressure::kNone) {
    GiveBack(now);
    BreakOffWhatHolds(now);
  }
  const bool near =
      static_cast<double>(resident_bytes_) >= kNear * static_cast<double>(options_.limit_bytes);
  timer_.Start(near ? kOften : kSeldom);
}

void MemoryGuard::Change(MemoryPressure pressure) {
  const absl::Time now = options_.clock->Now();
  if (pressure_ == MemoryPressure::kNone) short_since_ = now;
  if (pressure == MemoryPressure::kRefuseConnections) refusing_since_ = now;
  pressure_ = pressure;
  options_.metrics->GetGauge(telemetry::kMemoryPressureLevel, {})
      .Set(static_cast<double>(pressure));
  base::Log(pressure == MemoryPressure::kNone ? base::LogLevel::kInfo : base::LogLevel::kWarning,
            "memory", Describe(pressure),
            {{"residentBytes", absl::StrCat(resident_bytes_)},
             {"limitBytes", absl::StrCat(options_.limit_bytes)}});
  options_.apply(pressure);
}

void MemoryGuard::BreakOffWhatHolds(absl::Time now) {
  const bool refusing = pressure_ == MemoryPressure::kRefuseConnections;
  const bool patient =
      now - short_since_ < kShedPatience && (!refusing || now - refusing_since_ < kRefusePatience);
  if (patient) return;
  short_since_ = refusing_since_ = now;
  base::Log(base::LogLevel::kWarning, "memory",
            "taking nothing new has not helped: inbound connections are broken off",
            {{"residentBytes", absl::StrCat(resident_bytes_)},
             {"limitBytes", absl::StrCat(options_.limit_bytes)}});
  options_.break_off();
}

void MemoryGuard::GiveBack(absl::Time now) {
  if (giving_back_ || now - gave_back_at_ < kGiveBack) return;
  giving_back_ = true;
  gave_back_at_ = now;
  options_.give_back([this] { giving_back_ = false; });
}

}  // namespace kith::sidecar
