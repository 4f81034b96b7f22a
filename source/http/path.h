// Path normalization: policy, routing and the application all see the result, so that none of them
// reads a path another way (the spellings of CVE-2021-31920, CVE-2021-39156 and their like).
// Threads: any. Owns: nothing.
// Errors: PathOutcome says why a path is answered with 400.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace kith::http {

enum class PathMode : uint8_t {
  kNone,                   // Only a fragment is cut off.
  kBase,                   // Unreserved escapes decoded, '\' is '/', dot segments removed.
  kMergeSlashes,           // kBase, then runs of '/' become one.
  kDecodeAndMergeSlashes,  // %2F and %5C decoded, then kMergeSlashes. The default.
};

enum class PathOutcome : uint8_t {
  kUnchanged,    // The target is its own normal form; `out` is unspecified.
  kChanged,      // `out` holds the normal form.
  kNotAbsolute,  // Refused: does not begin with '/'.
  kNullByte,     // Refused: %00.
  kBadEscape,    // Refused: '%' without two hexadecimal digits.
};

inline bool IsRefused(PathOutcome outcome) { return outcome >= PathOutcome::kNotAbsolute; }
// "null_byte"; for metrics and messages.
absl::string_view ToString(PathOutcome outcome);

// `target` is path and query as received, or "*". The query is kept byte for byte. ".." above the
// root stays at the root (RFC 3986 §5.2.4). Applying it to its own result changes nothing.
PathOutcome NormalizePath(PathMode mode, absl::string_view target, std::string& out);

// Spellings that are sound but that applications are known to read as something else. Where a
// policy decides by path, they are answered with 400 in every mode but kNone.
enum class PathAmbiguity : uint8_t {
  kNone,
  kDoubleEncoded,  // %252e, %252f, %255c: a separator or dot after a second decoding.
  kDotParameters,  // "/..;" or "/.;": a dot segment once parameters are dropped.
};
absl::string_view ToString(PathAmbiguity ambiguity);
// `path` is normalized; what follows '?' is not looked at.
PathAmbiguity FindAmbiguity(absl::string_view path);

}  // namespace kith::http
