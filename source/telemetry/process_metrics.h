// The metrics every Prometheus client exports of its process, read from /proc.
// Threads: any. Owns: nothing. Errors: what cannot be read is left out.
#pragma once

#include <string>

namespace kith::telemetry {

void AppendProcessMetrics(std::string& out);

}  // namespace kith::telemetry
