// Links the lines of a log, so that a line changed, removed or put between others is found: each is
// a JSON object whose last member, "chain", is the SHA-256 of the previous line's chain and of the
// line without it. The first link is the SHA-256 of whatever the file held before.
// Threads: any. Owns: its state. Errors: DATA_LOSS that names the line; INVALID_ARGUMENT for what
// is no such log.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace kith::x509 {

// Lower-case hex.
std::string Sha256Hex(absl::string_view bytes);

// `object`, which ends in "}", as the line that follows the one with the chain `previous`; `chain`
// becomes its own. Ends with a line feed.
std::string ChainLine(absl::string_view object, absl::string_view previous, std::string& chain);

// The chain that a line carries; empty when it carries none. The line is without its line feed.
absl::string_view ChainOf(absl::string_view line);

// Reads a log from its beginning.
class HashChainReader {
 public:
  // Lines without their line feeds, in order. Lines before the first chained one are counted as
  // unchained, and vouched for by the first link. After an error the reader is of no more use.
  absl::Status Read(absl::string_view line);

  uint64_t lines() const { return lines_; }
  uint64_t unchained() const { return unchained_; }
  // Of the last line: whoever notes it elsewhere can tell later whether the end was cut off.
  const std::string& chain() const { return chain_; }

 private:
  uint64_t lines_ = 0;
  uint64_t unchained_ = 0;
  std::string before_;  // What stands before the first link.
  std::string chain_;
};

}  // namespace kith::x509
