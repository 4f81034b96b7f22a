#include "source/sidecar/break_glass.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "source/base/json_writer.h"
#include "source/base/log.h"
#include "source/telemetry/families.h"

namespace kith::sidecar {
namespace {

constexpr size_t kMaxText = 512;

std::string Text(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

}  // namespace

BreakGlass::BreakGlass(event::Loop& loop, identity::Manager& identity, Options options)
    : identity_(identity),
      options_(options),
      timer_(loop, [this] { Close("its time is over", ""); }) {
  Show();
}

absl::Status BreakGlass::Start(Request request) {
  if (!options_.permitted) {
    return absl::FailedPreconditionError(
        "break-glass: the bootstrap does not permit it (breakGlass.permitted)");
  }
  if (!identity_.rules().break_glass_allowed) {
    return absl::FailedPreconditionError("break-glass: a TrustPolicy forbids it (breakGlass)");
  }
  if (request.time < absl::Seconds(1) || request.time > options_.longest) {
    return absl::InvalidArgumentError(absl::StrCat("break-glass: the time must be 1 s to ",
                                                   absl::FormatDuration(options_.longest)));
  }
  if (request.reason.empty() || request.reason.size() > kMaxText || request.who.size() > kMaxText) {
    return absl::InvalidArgumentError("break-glass: a reason is required, of at most 512 bytes");
  }
  const absl::Time now = options_.clock->Now();
  if (absl::Status set = identity_.SetBreakGlass(now + request.time, now - options_.ended_before);
      !set.ok()) {
    return set;
  }
  started_ = now;
  until_ = now + request.time;
  request_ = std::move(request);
  timer_.Start(request_.time);
  Show();
  if (options_.metrics != nullptr) {
    options_.metrics->GetCounter(telemetry::kBreakGlassStarts, {}).Add();
  }
  base::Log(base::LogLevel::kWarning, "break-glass",
            "started: ended certificates are accepted until it ends",
            {{"who", request_.who}, {"reason", request_.reason}, {"until", Text(until_)}});
  return absl::OkStatus();
}

void BreakGlass::End(absl::string_view who) {
  if (active()) Close("asked for", who);
}

void BreakGlass::Close(absl::string_view why, absl::string_view who) {
  timer_.Stop();
  until_ = absl::InfinitePast();
  const absl::Status set = identity_.SetBreakGlass(absl::InfinitePast(), absl::InfiniteFuture());
  base::Log(base::LogLevel::kWarning, "break-glass", "ended",
            {{"why", std::string(why)},
             {"who", std::string(who.substr(0, kMaxText))},
             {"started", Text(started_)},
             {"startedBy", request_.who},
             {"reason", request_.reason},
             {"error", std::string(set.message())}});
  Show();
}

std::string BreakGlass::Json() const {
  std::string text;
  base::JsonWriter json(text);
  json.BeginObject();
  json.Key("permitted").Bool(options_.permitted && identity_.rules().break_glass_allowed);
  json.Key("active").Bool(active());
  if (active()) {
    json.Key("started").String(Text(started_));
    json.Key("until").String(Text(until_));
    json.Key("who").String(request_.who);
    json.Key("reason").String(request_.reason);
  }
  json.EndObject();
  text += '\n';
  return text;
}

void BreakGlass::Show() const {
  if (options_.metrics == nullptr) return;
  options_.metrics->GetGauge(telemetry::kBreakGlassActive, {}).Set(active() ? 1 : 0);
}

}  // namespace kith::sidecar
