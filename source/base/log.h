// The program's own log: one JSON object a line on standard error, for events a person must know.
// Access logs are telemetry/access_log.h.
// Threads: any. Owns: nothing. Errors: none; a line that cannot be written is dropped.
#pragma once

#include <initializer_list>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"

namespace kith::base {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

// One key and its value, written as a JSON string. Secrets never go here.
using LogField = std::pair<absl::string_view, std::string>;

// {"time":"2026-01-02T03:04:05.678Z","level":"info","component":"identity","message":"…",…}
void Log(LogLevel level, absl::string_view component, absl::string_view message,
         std::initializer_list<LogField> fields = {});

// Lines below this level are dropped. Default kInfo.
void SetLogLevel(LogLevel level);
// "debug", "info", "warning", "error"; false for anything else.
bool ParseLogLevel(absl::string_view text, LogLevel& level);

}  // namespace kith::base
