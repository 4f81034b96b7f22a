#include "source/sidecar/memory_return.h"

#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <fstream>
#include <utility>

namespace kith::sidecar {

MemoryReturn::MemoryReturn(event::Loop& loop, Options options)
    : options_(std::move(options)), timer_(loop, [this] { Look(); }) {
  last_cpu_ = options_.usage().cpu;
  timer_.StartRepeating(kInterval);
}

void MemoryReturn::Look() {
  if (giving_back_) return;
  const Usage usage = options_.usage();
  const bool calm = usage.cpu - std::exchange(last_cpu_, usage.cpu) <= kCalm * kInterval;
  if (usage.resident_bytes == 0) return;
  floor_ = floor_ == 0 ? usage.resident_bytes : std::min(floor_, usage.resident_bytes);
  if (!calm) {
    pause_ = 0;
    next_pause_ = 1;
    return;
  }
  if (usage.resident_bytes < floor_ + kGrowth || pause_-- > 0) return;
  pause_ = next_pause_;
  next_pause_ = std::min(2 * next_pause_, kLongestPause);
  giving_back_ = true;
  options_.give_back([this] { giving_back_ = false; });
}

MemoryReturn::Usage ProcessUsage() {
  MemoryReturn::Usage usage;
  timespec cpu = {};
  if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu) == 0) {
    usage.cpu = absl::DurationFromTimespec(cpu);
  }
  // proc(5): sizes in pages, the resident set second.
  std::ifstream file("/proc/self/statm");
  size_t total = 0;
  size_t resident = 0;
  if (file >> total >> resident) {
    usage.resident_bytes = resident * static_cast<size_t>(sysconf(_SC_PAGESIZE));
  }
  return usage;
}

}  // namespace kith::sidecar
