#include "source/base/log.h"

#include <unistd.h>

#include <atomic>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "source/base/json_writer.h"

namespace kith::base {
namespace {

constexpr absl::string_view kNames[] = {"debug", "info", "warning", "error"};

std::atomic<LogLevel> g_lowest{LogLevel::kInfo};

}  // namespace

void SetLogLevel(LogLevel level) { g_lowest.store(level, std::memory_order_relaxed); }

bool ParseLogLevel(absl::string_view text, LogLevel& level) {
  for (size_t i = 0; i < std::size(kNames); ++i) {
    if (text == kNames[i]) {
      level = static_cast<LogLevel>(i);
      return true;
    }
  }
  return false;
}

void Log(LogLevel level, absl::string_view component, absl::string_view message,
         std::initializer_list<LogField> fields) {
  if (level < g_lowest.load(std::memory_order_relaxed)) return;
  std::string line;
  JsonWriter json(line);
  json.BeginObject();
  json.Key("time").String(
      absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::Now(), absl::UTCTimeZone()));
  json.Key("level").String(kNames[static_cast<size_t>(level)]);
  json.Key("component").String(component);
  json.Key("message").String(message);
  for (const LogField& field : fields) json.Key(field.first).String(field.second);
  json.EndObject();
  line += '\n';
  // One call, so that lines of several threads do not mix.
  [[maybe_unused]] ssize_t written = write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace kith::base
