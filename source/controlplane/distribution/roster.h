// The workloads whose sidecars are or were lately connected.
//
// A workload counts as present while it has a stream, and for a while after it lost one: a
// network's hiccup or a restart of the control plane takes no endpoint away. One that said good-bye
// is gone at once. What is present is kept in a file, and after a restart counts as present until
// it has had the time to come back.
//
// Threads: one. Owns: its records.
// Errors: Attach() answers ALREADY_EXISTS when a workload of that name, with another service
// account, is connected, and RESOURCE_EXHAUSTED for one too many in a namespace.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "kith/mesh/v1/node.pb.h"
#include "source/controlplane/distribution/workload.h"

namespace kith::controlplane {

class Roster {
 public:
  using StreamId = uint64_t;
  static constexpr StreamId kNoStream = 0;
  using Key = std::pair<std::string, std::string>;  // Namespace and name.

  struct Options {
    absl::Duration linger = absl::Seconds(5);     // Present for so long after a stream was lost.
    absl::Duration settle = absl::Seconds(30);    // Present for so long after our own restart.
    absl::Duration remember = absl::Minutes(10);  // Listed for so long after it went.
    // In one namespace: a token of one must not fill the memory that all share.
    size_t max_workloads = 10'000;
  };
  enum class Leave {
    kDrained,  // It ended the stream itself, to stop.
    kLost,     // Anything else.
  };
  struct Record {
    Workload workload;
    std::string version;
    mesh::v1::ServedCertificate certificate;  // Empty until it serves one.
    uint64_t trust_bundle_generation = 0;     // That it says it uses.
    // It said good-bye: nobody is there who would have to learn anything.
    bool drained = false;
    std::string peer;
    StreamId stream = kNoStream;
    absl::Time since;  // When it connected or disconnected.
    bool present = true;
    absl::Time present_until = absl::InfiniteFuture();  // Without a stream.
  };

  explicit Roster(Options options) : options_(options) {}

  // Connects, or updates what a connected workload says. Returns the stream it replaces, if any:
  // the same workload came back before its old stream was seen to end.
  absl::StatusOr<StreamId> Attach(StreamId stream, const Workload& workload,
                                  const mesh::v1::NodeMetadata& metadata, const std::string& peer,
                                  absl::Time now);
  // A stream that is not the workload's present one is ignored.
  void Detach(StreamId stream, const Key& key, Leave leave, absl::Time now);
  // The workloads that were present and are no longer.
  std::vector<Key> Expire(absl::Time now);

  const Record* Find(const Key& key) const;
  const std::map<Key, Record>& records() const { return records_; }

  // Who is present, as JSON, and back. What cannot be read is left out.
  std::string Save() const;
  void Restore(const std::string& json, absl::Time now);

 private:
  const Options options_;
  std::map<Key, Record> records_;
};

}  // namespace kith::controlplane
