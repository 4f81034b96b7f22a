// The certificate, key, CA and revocation files that DestinationRules of mode SIMPLE and MUTUAL
// name: read when a snapshot first speaks of them, and again when they change.
// Threads: the loop's. Owns: the watches and the contexts' newest generations. Loop and metrics
// shard are borrowed and outlive it.
// Errors: a file that is missing or broken is logged once and counted. What was read well before
// stays in force; without it, connections that need the file are refused with upstream_credentials
// and the text of the error, until the file is mended.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "source/event/file_watches.h"
#include "source/event/loop.h"
#include "source/event/timer.h"
#include "source/mesh/snapshot.h"
#include "source/proxy/origination.h"
#include "source/telemetry/metrics.h"

namespace kith::sidecar {

class OriginationFiles {
 public:
  struct Options {
    std::function<void()> changed;  // current() has become another.
    // Where DestinationRules name no CA.
    std::string system_roots = "/etc/ssl/certs/ca-certificates.crt";
    absl::Duration retry = absl::Seconds(2);                      // Of what could not be read.
    tls::RevocationMode revocation = tls::RevocationMode::kSoft;  // Of the servers.
    tls::Responders* responders = nullptr;  // Borrowed; null: no responder is asked about them.
    telemetry::Shard* metrics = nullptr;    // None counts nothing.
  };
  OriginationFiles(event::Loop& loop, Options options);

  // Reads what is new in it and forgets what it no longer speaks of. Does not call `changed`.
  void Use(const mesh::Snapshot& snapshot);
  // Of the snapshot that was used last.
  const std::shared_ptr<const proxy::Originations>& current() const { return current_; }

 private:
  // One DestinationRule's, as last read.
  struct Entry {
    std::string bytes;  // Of all its files; equal bytes make no new generation.
    std::string error;  // Of the last reading; empty after a good one.
    std::shared_ptr<const proxy::Origination> use;
  };

  // Makes `entry.use` another if there is something new to use.
  void Read(const mesh::TlsOrigination& rule, Entry& entry);
  void Fail(const mesh::TlsOrigination& rule, std::string error, Entry& entry);
  void Watch(const mesh::TlsOrigination& rule);
  void ReadAll();
  void Publish();
  void Count(absl::string_view result) const;

  const Options options_;
  std::map<mesh::TlsOrigination, Entry> entries_;
  event::FileWatches watches_;
  event::Timer retry_;
  std::shared_ptr<const proxy::Originations> current_;
};

}  // namespace kith::sidecar
