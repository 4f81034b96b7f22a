#include "source/sidecar/debug_headers.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "source/base/json_writer.h"
#include "source/base/log.h"
#include "source/base/spiffe_id.h"

namespace kith::sidecar {
namespace {

constexpr size_t kMaxWho = 512;
constexpr absl::string_view kScheme = "spiffe://";

std::string Text(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

absl::StatusOr<base::SpiffeId> IdOf(const std::string& principal) {
  return base::SpiffeId::Parse(absl::StartsWithIgnoreCase(principal, kScheme)
                                   ? principal
                                   : absl::StrCat(kScheme, principal));
}

}  // namespace

DebugHeaders::DebugHeaders(event::Loop& loop, Options options)
    : loop_(loop), options_(std::move(options)) {}

absl::Status DebugHeaders::Start(const Request& request) {
  const auto id = IdOf(request.principal);
  if (!id.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("debug headers: \"principal\": ", id.status().message()));
  }
  if (request.time < absl::Seconds(1) || request.time > kLongest) {
    return absl::InvalidArgumentError(
        absl::StrCat("debug headers: the time must be 1 s to ", absl::FormatDuration(kLongest)));
  }
  if (callers_.size() >= kMostCallers && callers_.count(id->text()) == 0) {
    return absl::ResourceExhaustedError(
        absl::StrCat("debug headers: ", kMostCallers, " callers have them; end one first"));
  }
  Caller& caller = callers_[id->text()];
  caller.until = options_.clock->Now() + request.time;
  caller.who = request.who.substr(0, kMaxWho);
  caller.timer = std::make_unique<event::Timer>(
      loop_, [this, text = id->text()] { Remove(text, "its time is over", ""); });
  caller.timer->Start(request.time);
  Apply();
  base::Log(base::LogLevel::kWarning, "debug-headers",
            "responses to this caller tell the decisions on its requests",
            {{"principal", id->text()}, {"who", caller.who}, {"until", Text(caller.until)}});
  return absl::OkStatus();
}

absl::Status DebugHeaders::End(const std::string& principal, absl::string_view who) {
  const auto id = IdOf(principal);
  if (!id.ok() || callers_.count(id->text()) == 0) {
    return absl::NotFoundError(
        absl::StrCat("debug headers: \"", principal, "\" does not have them"));
  }
  Remove(id->text(), "asked for", who);
  return absl::OkStatus();
}

void DebugHeaders::Remove(const std::string& id, absl::string_view why, absl::string_view who) {
  base::Log(
      base::LogLevel::kWarning, "debug-headers", "ended",
      {{"principal", id}, {"why", std::string(why)}, {"who", std::string(who.substr(0, kMaxWho))}});
  callers_.erase(callers_.find(id));  // `id` may be the timer's.
  Apply();
}

void DebugHeaders::Apply() const {
  std::vector<std::string> ids;
  for (const auto& [id, caller] : callers_) ids.push_back(id);
  options_.apply(std::move(ids));
}

std::string DebugHeaders::Json() const {
  std::string text;
  base::JsonWriter json(text);
  json.BeginObject().Key("callers").BeginArray();
  for (const auto& [id, caller] : callers_) {
    json.BeginObject();
    json.Key("principal").String(id);
    json.Key("until").String(Text(caller.until));
    json.Key("who").String(caller.who);
    json.EndObject();
  }
  json.EndArray().EndObject();
  text += '\n';
  return text;
}

}  // namespace kith::sidecar
