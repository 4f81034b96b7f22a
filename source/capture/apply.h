// Writes the rules of capture into the kernel of this network namespace, and takes them out.
// Threads: any; blocks while nft, iptables-restore and ip run. Owns: nothing.
// Errors: what failed with the tool's own words; PERMISSION_DENIED without CAP_NET_ADMIN. A failed
// Apply() leaves the rules of before: each tool commits a table as a whole.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "source/capture/rules.h"

namespace kith::capture {

enum class Backend : uint8_t { kNftables, kIptablesNft, kIptablesLegacy };
// "nft", "iptables-nft", "iptables-legacy".
absl::string_view Name(Backend backend);

// What this host uses: iptables' older half where it holds rules already, else nftables.
absl::StatusOr<Backend> ChooseBackend();

// Idempotent: replaces what an earlier Apply() of the same backend wrote.
absl::Status Apply(const Rules& rules, Backend backend);
// Takes out what any backend wrote. OK when there is nothing.
absl::Status Remove();
// What Apply() would write, as text for people.
std::string Print(const Rules& rules, Backend backend);

}  // namespace kith::capture
