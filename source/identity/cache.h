// Keeps the present key and chain in a directory meant for a tmpfs, so that a restart during an
// outage of the source has an identity at once.
// Threads: the loop's; it reads and writes one small file. Owns: nothing; the file stays.
// Errors: Create() when the directory is not this process's own, or group or others may enter it;
// Load() when there is nothing usable; neither keeps the sidecar from starting afresh.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "source/base/spiffe_id.h"
#include "source/tls/credentials.h"

namespace kith::identity {

class Cache {
 public:
  // Makes the directory with mode 0700 if it is not there; its parent must be.
  static absl::StatusOr<std::unique_ptr<Cache>> Create(std::string directory);

  // What was stored, checked as if the source had just given it: another's or an expired one is an
  // error. NOT_FOUND when there is none.
  absl::StatusOr<std::shared_ptr<const tls::Identity>> Load(const base::SpiffeId& id,
                                                            absl::Time now) const;
  // Replaced at once, never half: a reader finds the old one or the new one.
  absl::Status Store(const tls::Identity& identity) const;

 private:
  explicit Cache(std::string directory) : directory_(std::move(directory)) {}

  const std::string directory_;
};

}  // namespace kith::identity
