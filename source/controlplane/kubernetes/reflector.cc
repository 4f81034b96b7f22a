#include "source/controlplane/kubernetes/reflector.h"

#include <algorithm>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "source/base/log.h"
#include "source/base/status.h"
#include "source/kubernetes/json_read.h"

namespace kith::controlplane {
namespace {

using kubernetes::Find;
using kubernetes::ParseJson;
using kubernetes::Text;
using nlohmann::json;

constexpr absl::Duration kSilence = absl::Seconds(30);
constexpr absl::Duration kTick = absl::Milliseconds(50);

std::string Metadata(const json& object, const char* key) {
  return Text(Find(&object, "metadata"), key);
}

// Of a query's value: continue tokens are base64 with = and perhaps / or +.
std::string Escape(absl::string_view text) {
  return absl::StrReplaceAll(
      text, {{"%", "%25"}, {"+", "%2B"}, {"/", "%2F"}, {"=", "%3D"}, {"&", "%26"}});
}

double Jitter() {
  thread_local std::minstd_rand random(std::random_device{}());
  return std::uniform_real_distribution<double>(0.5, 1.0)(random);
}

}  // namespace

Reflector::Reflector(Options options, Handler handler)
    : options_(std::move(options)), handler_(std::move(handler)), thread_([this] { Run(); }) {}

Reflector::~Reflector() {
  stopping_ = true;
  thread_.join();
}

void Reflector::Pause(absl::Duration time) const {
  const absl::Time until = absl::Now() + time;
  while (!stopping_ && absl::Now() < until) absl::SleepFor(kTick);
}

void Reflector::Run() {
  absl::Duration pause = options_.first_pause;
  while (!stopping_) {
    absl::Status done = version_.empty() ? List() : Watch();
    if (done.ok()) {
      pause = options_.first_pause;
      continue;
    }
    if (stopping_) return;
    if (absl::IsOutOfRange(done)) version_.clear();  // 410: the history is gone.
    base::Log(base::LogLevel::kWarning, "kubernetes", "list or watch failed; what is known is kept",
              {{"path", options_.path}, {"error", std::string(done.message())}});
    Pause(pause * Jitter());
    pause = std::min(pause * 2, options_.longest_pause);
  }
}

absl::Status Reflector::List() {
  std::vector<json> objects;
  std::string next;
  std::string version;
  do {
    const std::string target =
        absl::StrCat(options_.path, "?limit=", options_.page,
                     next.empty() ? "" : absl::StrCat("&continue=", Escape(next)));
    KITH_ASSIGN_OR_RETURN(const std::string body, options_.client->Call("GET", target));
    json page = ParseJson(body);
    if (!page.is_object() || !page.contains("items") || !page["items"].is_array()) {
      return absl::UnavailableError(absl::StrCat("GET ", target, ": the answer is no list"));
    }
    for (json& item : page["items"]) objects.push_back(std::move(item));
    version = Metadata(page, "resourceVersion");
    next = Metadata(page, "continue");
  } while (!next.empty() && !stopping_);
  if (version.empty()) return absl::UnavailableError("the list has no resourceVersion");
  if (stopping_) return absl::OkStatus();
  handler_.replaced(std::move(objects));
  version_ = std::move(version);
  return absl::OkStatus();
}

absl::Status Reflector::Watch() {
  const int64_t seconds = std::max<int64_t>(1, absl::ToInt64Seconds(options_.watch_time));
  const std::string target =
      absl::StrCat(options_.path, "?watch=1&allowWatchBookmarks=true&timeoutSeconds=", seconds,
                   "&resourceVersion=", Escape(version_));
  absl::Status failure;
  // An empty line is only asked whether to go on.
  const absl::Status ended = options_.client->Stream(
      target, options_.watch_time + kSilence,
      [&](absl::string_view line) { return !stopping_ && (line.empty() || Take(line, failure)); });
  return failure.ok() ? ended : failure;
}

bool Reflector::Take(absl::string_view line, absl::Status& failure) {
  json event = ParseJson(line);
  const std::string type = Text(&event, "type");
  if (type.empty() || Find(&event, "object") == nullptr) {
    failure = absl::UnavailableError("an event of the watch cannot be read");
    return false;
  }
  json& object = event["object"];
  if (type == "ERROR") {
    const json* code = Find(&object, "code");
    const bool gone = code != nullptr && *code == 410;
    failure = absl::Status(gone ? absl::StatusCode::kOutOfRange : absl::StatusCode::kUnavailable,
                           absl::StrCat("the watch reports ", Text(&object, "message")));
    return false;
  }
  const std::string version = Metadata(object, "resourceVersion");
  if (type == "ADDED" || type == "MODIFIED") {
    handler_.changed(std::move(object));
  } else if (type == "DELETED") {
    handler_.removed(object);
  } else if (type != "BOOKMARK") {
    return true;
  }
  if (!version.empty()) version_ = version;
  return true;
}

}  // namespace kith::controlplane
