// A request's head as it goes to the next hop, kept until the response has begun: the connection it
// goes over may have to be made first, and a broken one may be replaced.
// Threads: one at a time. Owns: its text; reused for the next request without allocating.
// Errors: none.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "source/http/message.h"

namespace kith::proxy {

// Whether an application might take a header called `name` for the one called `pattern` (lower
// case, and with a "*" at its end all that begin so): CGI and its heirs read every character that
// is neither letter nor digit as the same one.
bool NamesHeader(absl::string_view pattern, absl::string_view name);

class StoredRequest {
 public:
  // Copies what is forwarded: no hop-by-hop header, none that NamesHeader() finds in `dropped`,
  // then `added`. The target is `path`.
  void Assign(const http::RequestHead& head, absl::string_view path,
              absl::Span<const absl::string_view> dropped, absl::Span<const http::Header> added);

  // The same without the headers named in `dropped`, with `added`, and with another target.
  void Edit(absl::string_view path, absl::Span<const absl::string_view> dropped,
            absl::Span<const http::Header> added);

  // What it asks the connection to become (RFC 9110 §7.8 and §9.3.6).
  enum class Switch : uint8_t { kNone, kUpgrade, kConnect };
  Switch switches() const { return switch_; }
  // Whether a response of this status is its consent.
  static bool IsGranted(Switch asked, int status);
  // The protocol, for kUpgrade.
  absl::string_view upgrade() const { return upgrade_; }

  absl::string_view method() const { return method_; }
  absl::string_view path() const { return path_; }  // Empty for CONNECT.
  // As on a request line.
  absl::string_view target() const { return switch_ == Switch::kConnect ? authority_ : path_; }
  absl::Span<const http::Header> headers() const { return headers_; }
  const http::Framing& framing() const { return framing_; }

  // Whether sending it twice has the effect of sending it once (RFC 9110 §9.2.2), and no body would
  // have to be sent again.
  bool CanBeRepeated() const;

 private:
  absl::string_view Keep(absl::string_view text);

  std::string text_;
  absl::string_view method_;
  absl::string_view path_;
  absl::string_view authority_;  // Of CONNECT.
  absl::string_view upgrade_;
  Switch switch_ = Switch::kNone;
  std::vector<http::Header> headers_;
  http::Framing framing_;
};

}  // namespace kith::proxy
