// Tells when some files may have changed, by watching their directories. While a directory cannot
// be watched, for example because it is not there yet, it tells so every now and then instead.
// Threads: the loop's. Owns: its watches and timer; the loop is borrowed. Errors: none.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "source/event/directory_watch.h"
#include "source/event/loop.h"
#include "source/event/timer.h"

namespace kith::event {

class FileWatches {
 public:
  struct Options {
    DirectoryWatch::Options watch = {};
    absl::Duration retry = absl::Seconds(5);  // Of directories that cannot be watched.
  };
  FileWatches(Loop& loop, Options options, std::function<void()> changed);

  // An empty path is no file. Files of one directory share a watch.
  void Add(const std::string& file);

 private:
  void Watch();

  Loop& loop_;
  const Options options_;
  const std::function<void()> changed_;
  std::vector<std::string> directories_;  // All of them.
  std::vector<std::string> unwatched_;    // Those that could not be watched yet.
  std::vector<std::unique_ptr<DirectoryWatch>> watches_;
  Timer timer_;
};

}  // namespace kith::event
