#include "source/http/path.h"

#include "absl/strings/match.h"
#include "source/http/characters.h"

namespace kith::http {
namespace {

constexpr size_t kEnd = absl::string_view::npos;

// Never needs escaping (RFC 3986 §2.3): its escape means the same and is decoded.
bool IsUnreserved(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

// Whether any step could apply: a path without these is its own normal form.
bool MayChange(absl::string_view path) {
  char previous = 0;
  for (char c : path) {
    if (c == '%' || c == '\\') return true;
    if (previous == '/' && (c == '.' || c == '/')) return true;
    previous = c;
  }
  return false;
}

// Decodes what the mode decodes and turns '\' into '/'. What is kept stays as it was written.
PathOutcome Decode(PathMode mode, absl::string_view path, std::string& out) {
  for (size_t i = 0; i < path.size(); ++i) {
    const char c = path[i];
    if (c == '\\') {
      out.push_back('/');
      continue;
    }
    if (c != '%') {
      out.push_back(c);
      continue;
    }
    if (i + 2 >= path.size()) return PathOutcome::kBadEscape;
    const int high = HexValue(path[i + 1]), low = HexValue(path[i + 2]);
    if (high < 0 || low < 0) return PathOutcome::kBadEscape;
    const char decoded = static_cast<char>(high * 16 + low);
    if (decoded == '\0') return PathOutcome::kNullByte;
    if (IsUnreserved(decoded)) {
      out.push_back(decoded);
    } else if (mode == PathMode::kDecodeAndMergeSlashes && (decoded == '/' || decoded == '\\')) {
      out.push_back('/');
    } else {
      out.append(path.data() + i, 3);
    }
    i += 2;
  }
  return PathOutcome::kChanged;
}

// RFC 3986 §5.2.4 in place: empty segments count as segments, ".." at the root is dropped.
void RemoveDotSegments(std::string& path) {
  size_t written = 0;  // path[0, written) is the result so far, without its last '/'.
  size_t read = 0;     // At a '/'.
  while (read < path.size()) {
    size_t end = path.find('/', read + 1);
    const bool last = end == std::string::npos;
    if (last) end = path.size();
    const absl::string_view segment(path.data() + read + 1, end - read - 1);
    const bool dot = segment == ".", dot_dot = segment == "..";
    if (dot_dot && written > 0) written = path.rfind('/', written - 1);
    if (!dot && !dot_dot) {
      for (size_t i = read; i < end; ++i) path[written++] = path[i];
    } else if (last) {
      path[written++] = '/';  // "/a/.." names the directory "/".
    }
    read = end;
  }
  path.resize(written);
}

void MergeSlashes(std::string& path) {
  size_t written = 0;
  for (char c : path) {
    if (c == '/' && written > 0 && path[written - 1] == '/') continue;
    path[written++] = c;
  }
  path.resize(written);
}

// At `at` of `path`: ';' as it is or escaped.
bool IsSemicolon(absl::string_view path, size_t at) {
  const absl::string_view rest = path.substr(at);
  return absl::StartsWith(rest, ";") || absl::StartsWithIgnoreCase(rest, "%3b");
}

// At the '%' at `at`: %25 once or more, then 2e, 2f or 5c.
bool IsDoubleEncoded(absl::string_view path, size_t at) {
  absl::string_view rest = path.substr(at + 1);
  bool encoded = false;
  while (absl::StartsWith(rest, "25")) {
    rest.remove_prefix(2);
    encoded = true;
  }
  return encoded &&
         (absl::StartsWithIgnoreCase(rest, "2e") || absl::StartsWithIgnoreCase(rest, "2f") ||
          absl::StartsWithIgnoreCase(rest, "5c"));
}

}  // namespace

PathOutcome NormalizePath(PathMode mode, absl::string_view target, std::string& out) {
  if (target == "*") return PathOutcome::kUnchanged;
  if (target.empty() || target.front() != '/') return PathOutcome::kNotAbsolute;
  const size_t fragment = target.find('#');
  const absl::string_view whole = target.substr(0, fragment);
  const size_t query = whole.find('?');
  const absl::string_view path = whole.substr(0, query);

  if (mode == PathMode::kNone || !MayChange(path)) {
    if (fragment == kEnd) return PathOutcome::kUnchanged;
    out.assign(whole.data(), whole.size());
    return PathOutcome::kChanged;
  }
  out.clear();
  const PathOutcome decoded = Decode(mode, path, out);
  if (IsRefused(decoded)) return decoded;
  RemoveDotSegments(out);
  if (mode != PathMode::kBase) MergeSlashes(out);
  if (query != kEnd) out.append(whole.data() + query, whole.size() - query);
  return target == out ? PathOutcome::kUnchanged : PathOutcome::kChanged;
}

PathAmbiguity FindAmbiguity(absl::string_view path) {
  path = path.substr(0, path.find_first_of("?#"));
  for (size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '%' && IsDoubleEncoded(path, i)) return PathAmbiguity::kDoubleEncoded;
    if (path[i] != '/') continue;
    const absl::string_view segment = path.substr(i + 1);
    const size_t dots = absl::StartsWith(segment, "..")  ? 2
                        : absl::StartsWith(segment, ".") ? 1
                                                         : 0;
    if (dots > 0 && IsSemicolon(segment, dots)) return PathAmbiguity::kDotParameters;
  }
  return PathAmbiguity::kNone;
}

absl::string_view ToString(PathOutcome outcome) {
  switch (outcome) {
    case PathOutcome::kUnchanged:
      return "unchanged";
    case PathOutcome::kChanged:
      return "changed";
    case PathOutcome::kNotAbsolute:
      return "not_absolute";
    case PathOutcome::kNullByte:
      return "null_byte";
    case PathOutcome::kBadEscape:
      return "bad_escape";
  }
  return "";
}

absl::string_view ToString(PathAmbiguity ambiguity) {
  switch (ambiguity) {
    case PathAmbiguity::kNone:
      return "none";
    case PathAmbiguity::kDoubleEncoded:
      return "double_encoded";
    case PathAmbiguity::kDotParameters:
      return "dot_parameters";
  }
  return "";
}

}  // namespace kith::http
