#include "source/event/file_watches.h"

#include <algorithm>
#include <utility>

namespace kith::event {
namespace {

std::string DirectoryOf(const std::string& file) {
  const size_t slash = file.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : file.substr(0, slash);
}

}  // namespace

FileWatches::FileWatches(Loop& loop, Options options, std::function<void()> changed)
    : loop_(loop), options_(options), changed_(std::move(changed)), timer_(loop_, [this] {
        Watch();
        changed_();
      }) {}

void FileWatches::Add(const std::string& file) {
  const std::string directory = DirectoryOf(file);
  if (file.empty() ||
      std::find(directories_.begin(), directories_.end(), directory) != directories_.end()) {
    return;
  }
  directories_.push_back(directory);
  unwatched_.push_back(directory);
  Watch();
}

void FileWatches::Watch() {
  std::vector<std::string> missing;
  for (std::string& directory : unwatched_) {
    auto watch = DirectoryWatch::Create(loop_, directory, options_.watch, [this] { changed_(); });
    if (watch.ok()) {
      watches_.push_back(*std::move(watch));
    } else {
      missing.push_back(std::move(directory));
    }
  }
  unwatched_ = std::move(missing);
  if (!unwatched_.empty()) timer_.Start(options_.retry);
}

}  // namespace kith::event
