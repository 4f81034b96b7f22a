// The roots of other trust domains: from files, PEM or SPIFFE bundles (JSON), whose directories are
// watched, and from SPIFFE bundle endpoints, asked as often as they want within bounds.
// What an endpoint gave is kept in the state directory, and goes before the file it began with for
// as long as that file stays as it was.
// Threads: the loop's; it reads small files there. A thread of its own asks the endpoints.
// Owns: watches, that thread, and the last good roots of each trust domain. Loop and state
// directory are borrowed and outlive it. Errors: what cannot be read, fetched or used is logged
// once for each fault and counted, its last good roots stay in force; a trust domain that never had
// any is without, so that nobody of it is trusted.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "source/base/clock.h"
#include "source/controlplane/bundle_source.h"
#include "source/controlplane/ca/state_directory.h"
#include "source/controlplane/keys/fetch_thread.h"
#include "source/event/file_watches.h"
#include "source/event/loop.h"
#include "source/event/timer.h"
#include "source/tls/credentials.h"

namespace kith::controlplane {

class Federation {
 public:
  // However often a bundle wants to be fetched.
  static constexpr absl::Duration kLeastRefresh = absl::Seconds(5);

  struct Entry {
    std::string trust_domain;
    std::string file = {};       // Empty: none.
    BundleSource endpoint = {};  // Without a URL: none.
  };
  // What is known of a trust domain now.
  struct Standing {
    tls::TrustBundle::Domain roots;  // Without roots_pem: none.
    std::string problem;             // Of the last try; empty when it went well.
    absl::Time fetched = absl::InfinitePast();
  };
  struct Options {
    std::vector<Entry> entries;
    const StateDirectory* state = nullptr;      // Null: nothing is kept.
    absl::Duration recheck = absl::Seconds(5);  // Of directories that do not exist yet.
    event::DirectoryWatch::Options watch = {};
    absl::Duration check = absl::Seconds(1);  // How often it looks what is due.
    // Bounds of what endpoints ask for, and the first and longest wait after a failure.
    absl::Duration min_refresh = kLeastRefresh;
    absl::Duration max_refresh = absl::Hours(1);
    absl::Duration first_retry = absl::Seconds(5);
    absl::Duration timeout = absl::Seconds(10);
    std::function<void(bool fetched)> count = [](bool) {};
    const base::Clock* clock = &base::Clock::System();
  };
  // Given all that is good, at the start and after each change.
  using Changed = std::function<void(const std::vector<tls::TrustBundle::Domain>&)>;

  Federation(event::Loop& loop, Options options, Changed changed);

  // By trust domain.
  std::map<std::string, Standing> standings() const;

 private:
  struct Member {
    Entry entry;
    Standing standing;
    std::string content;  // Of the file, as last read; to tell what is new.
    absl::Time due = absl::InfinitePast();
    int failures = 0;
    bool asked = false;  // A fetch is on its way.
  };

  void Read();
  bool ReadFile(Member& member);
  void Restore(Member& member) const;
  void Keep(const Member& member, const std::string& bundle) const;
  void Check();
  void Take(Member& member, absl::StatusOr<std::string> text);
  void Complain(Member& member, const absl::Status& status) const;
  void Tell() const;

  event::Loop& loop_;
  const Options options_;
  const Changed changed_;
  std::vector<Member> members_;
  event::FileWatches watches_;
  event::Timer check_timer_;
  std::unique_ptr<FetchThread> fetches_;  // Null without endpoints.
};

// One file's or endpoint's content as a trust domain's roots.
struct ReadRoots {
  tls::TrustBundle::Domain domain;
  absl::Duration refresh_hint = absl::ZeroDuration();
};
absl::StatusOr<ReadRoots> ReadBundle(const std::string& trust_domain, const std::string& content);

}  // namespace kith::controlplane
