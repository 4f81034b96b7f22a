// Counts what a peer makes an HTTP/2 connection do for nothing: frames that cost it little and us
// more. Each kind may come in a burst and then at a steady rate (spec: CVE-2019-9511 to 9518,
// CVE-2023-44487, CVE-2024-27919, CVE-2025-8671).
// Threads: one at a time. Owns: nothing. Errors: Exceeded() says which kind was too much; the
// connection then ends with ENHANCE_YOUR_CALM.
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"

namespace kith::http {

class Http2FloodGuard {
 public:
  enum class Kind : uint8_t {
    kReset,         // Streams reset by the peer, or by us because of what it sent.
    kControl,       // SETTINGS, PING, PRIORITY and unknown frames.
    kEmpty,         // DATA without data and without an end.
    kContinuation,  // CONTINUATION frames of one header block.
  };

  // `now_ms` is any clock that does not go back. False once the kind is too much.
  [[nodiscard]] bool Count(Kind kind, uint64_t now_ms);
  // A request of ours entitles the server to one reset: it may answer whole before it has read all
  // of it, and says so in this way (RFC 9113 §8.1).
  void ForgiveReset() { resets_.Return(); }
  void StartHeaderBlock() { continuations_ = 0; }

  // "http2_reset_flood": the value of a metric's label.
  static absl::string_view Name(Kind kind);

 private:
  struct Bucket {
    double burst;
    double per_second;
    double used = 0;
    uint64_t at_ms = 0;

    bool Take(uint64_t now_ms);
    void Return() { used = used > 1 ? used - 1 : 0; }
  };

  Bucket resets_{1000, 100};
  Bucket control_{1000, 100};
  Bucket empty_{100, 10};
  int continuations_ = 0;
};

}  // namespace kith::http
