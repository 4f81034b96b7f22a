// A SPIFFE ID (SPIFFE-ID §2): spiffe://<trust domain>/<path>, and the form service meshes give it,
// spiffe://<trust domain>/ns/<namespace>/sa/<service account>.
// Threads: immutable values, any thread. Owns: its text.
// Errors: INVALID_ARGUMENT that names the offending part.
#pragma once

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace kith::base {

class SpiffeId {
 public:
  // Accepts at most 2048 bytes. Scheme and trust domain are compared without regard to case
  // (SPIFFE-ID §2), so they are stored in lower case; the path is kept exactly.
  static absl::StatusOr<SpiffeId> Parse(absl::string_view text);

  // Both names must be non-empty SPIFFE path segments: [A-Za-z0-9._-], not "." or "..".
  static absl::StatusOr<SpiffeId> ForServiceAccount(absl::string_view trust_domain,
                                                    absl::string_view name_space,
                                                    absl::string_view service_account);

  const std::string& text() const { return text_; }
  absl::string_view trust_domain() const;
  absl::string_view path() const;  // With its leading slash; empty for a trust domain's own ID.

  // The text without "spiffe://": what policies call a principal.
  absl::string_view principal() const;

  // Empty unless the path is exactly /ns/<namespace>/sa/<service account>.
  absl::string_view name_space() const;
  absl::string_view service_account() const;

  friend bool operator==(const SpiffeId& a, const SpiffeId& b) { return a.text_ == b.text_; }
  friend bool operator<(const SpiffeId& a, const SpiffeId& b) { return a.text_ < b.text_; }

 private:
  explicit SpiffeId(std::string text);

  std::string text_;
  size_t path_begin_;  // Where the path starts in text_.
};

// [a-z0-9._-], 1 to 255 bytes.
bool IsTrustDomain(absl::string_view text);
// A SPIFFE path segment: [A-Za-z0-9._-]+, not "." or "..".
bool IsSpiffeSegment(absl::string_view text);

}  // namespace kith::base
