// The roots of other trust domains, from files: PEM, or a SPIFFE bundle (JSON) as a bundle endpoint
// gives it and as whoever fetches it leaves it here. The files' directories are watched.
// Threads: the loop's; it reads small files there.
// Owns: its watches, and the last good content of each file. The loop is borrowed and outlives it.
// Errors: a file that cannot be read or used is logged once for each fault, its last good content
// stays in force; one that was never good leaves its trust domain without roots, so that nobody of
// it is trusted.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "source/event/directory_watch.h"
#include "source/event/loop.h"
#include "source/event/timer.h"
#include "source/tls/credentials.h"

namespace kith::controlplane {

class Federation {
 public:
  struct Entry {
    std::string trust_domain;
    std::string file;
  };
  struct Options {
    std::vector<Entry> entries;
    absl::Duration recheck = absl::Seconds(5);  // Of directories that do not exist yet.
    event::DirectoryWatch::Options watch = {};
  };
  // Given all that is good, at the start and after each change.
  using Changed = std::function<void(const std::vector<tls::TrustBundle::Domain>&)>;

  Federation(event::Loop& loop, Options options, Changed changed);

  // Reads the files now; the watches call it.
  void Read();

  // What is wrong now, by trust domain.
  const std::map<std::string, std::string>& problems() const { return problems_; }

 private:
  void Watch();

  event::Loop& loop_;
  const Options options_;
  const Changed changed_;
  std::vector<std::string> unwatched_;  // Directories.
  std::vector<std::unique_ptr<event::DirectoryWatch>> watches_;
  event::Timer timer_;
  std::map<std::string, std::string> contents_;  // Of files, as last read; to tell what is new.
  std::map<std::string, tls::TrustBundle::Domain> good_;
  std::map<std::string, std::string> problems_;
};

// One file's content as a trust domain's roots.
absl::StatusOr<tls::TrustBundle::Domain> ReadBundle(const std::string& trust_domain,
                                                    const std::string& content);

}  // namespace kith::controlplane
