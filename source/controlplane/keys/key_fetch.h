// Fetches what an issuer publishes: over https, with the server's certificate checked, or from a
// file. Redirects are not followed; addresses that only this machine or its cloud answers at
// (loopback, link-local, multicast) are refused, so that a policy's author cannot make the control
// plane ask them (CVE-2026-41413).
// Threads: any; it blocks the caller. Owns: its options.
// Errors: "fetch https://idp/keys: what is wrong; what to check".
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace kith::controlplane {

struct KeyFetch {
  // Host names that may also be asked by http, and at any address.
  std::vector<std::string> trusted_hosts;
  // PEM. Empty: the system's roots.
  std::string ca_file;
  // file:///PATH is read when PATH is in this directory. Empty: never.
  std::string directory;

  absl::StatusOr<std::string> Get(const std::string& url, absl::Duration timeout) const;
};

}  // namespace kith::controlplane
