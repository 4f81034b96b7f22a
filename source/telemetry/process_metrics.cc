#include "source/telemetry/process_metrics.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmath>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "source/telemetry/families.h"
#include "source/telemetry/text_format.h"

namespace kith::telemetry {

namespace {

void Append(const Family& family, double value, std::string& out) {
  AppendHeader(family, out);
  absl::StrAppend(&out, family.name, " ");
  AppendNumber(value, out);
  out += '\n';
}

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

int CountOpenFiles() {
  DIR* directory = opendir("/proc/self/fd");
  if (directory == nullptr) return -1;
  int count = -3;  // ".", "..", and the directory's own.
  while (readdir(directory) != nullptr) ++count;
  closedir(directory);
  return count;
}

// When the process began, in seconds since 1970; negative when it cannot be told.
double StartTime() {
  std::ifstream stat_file("/proc/self/stat");
  std::ifstream uptime_file("/proc/uptime");
  std::string stat;
  double uptime = 0;
  std::getline(stat_file, stat);
  uptime_file >> uptime;
  const size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos || uptime == 0) return -1;
  // Field 22, counted from the one behind the name, which is the third.
  const std::vector<std::string> fields = absl::StrSplit(stat.substr(name_end + 2), ' ');
  double ticks = 0;
  if (fields.size() < 20 || !absl::SimpleAtod(fields[19], &ticks)) return -1;
  const double since_boot = ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
  return absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch()) - uptime + since_boot;
}

}  // namespace

void AppendProcessMetrics(std::string& out) {
  rusage usage;
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    Append(kProcessCpuSeconds, Seconds(usage.ru_utime) + Seconds(usage.ru_stime), out);
  }
  std::ifstream statm("/proc/self/statm");
  double total_pages = 0;
  double resident_pages = 0;
  if (statm >> total_pages >> resident_pages) {
    Append(kProcessResidentMemory, resident_pages * static_cast<double>(sysconf(_SC_PAGESIZE)),
           out);
  }
  if (const int open_files = CountOpenFiles(); open_files >= 0) {
    Append(kProcessOpenFds, open_files, out);
  }
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    Append(kProcessMaxFds, static_cast<double>(limit.rlim_cur), out);
  }
  // Does not change, and must not move with the clock.
  static const double start_time = std::floor(StartTime() * 1000) / 1000;
  if (start_time >= 0) Append(kProcessStartTime, start_time, out);
}

}  // namespace kith::telemetry
