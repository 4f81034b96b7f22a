#include "source/http/path.h"

#include <string>

#include "gtest/gtest.h"

namespace kith::http {
namespace {

std::string Normalized(PathMode mode, absl::string_view target) {
  std::string out;
  const PathOutcome outcome = NormalizePath(mode, target, out);
  if (IsRefused(outcome)) return "!" + std::string(ToString(outcome));
  return outcome == PathOutcome::kUnchanged ? std::string(target) : out;
}

struct Row {
  absl::string_view target, none, base, merge, decode;
};

// One spelling a row, and what each mode makes of it.
const Row kTable[] = {
    {"/", "/", "/", "/", "/"},
    {"/a/b", "/a/b", "/a/b", "/a/b", "/a/b"},
    {"*", "*", "*", "*", "*"},
    // CVE-2019-9901
    {"/info/../private", "/info/../private", "/private", "/private", "/private"},
    {"/info/%2e%2E/private", "/info/%2e%2E/private", "/private", "/private", "/private"},
    {"/info/.%2e/private", "/info/.%2e/private", "/private", "/private", "/private"},
    // CVE-2020-8595, CVE-2021-39156, CVE-2021-32779
    {"/admin?x", "/admin?x", "/admin?x", "/admin?x", "/admin?x"},
    {"/admin#x", "/admin", "/admin", "/admin", "/admin"},
    {"/admin#x?y", "/admin", "/admin", "/admin", "/admin"},
    {"/a?b#c", "/a?b", "/a?b", "/a?b", "/a?b"},
    // CVE-2021-31920, CVE-2021-29492
    {"//admin", "//admin", "//admin", "/admin", "/admin"},
    {"/a//b///c", "/a//b///c", "/a//b///c", "/a/b/c", "/a/b/c"},
    {"/%2Fadmin", "/%2Fadmin", "/%2Fadmin", "/%2Fadmin", "/admin"},
    {"/a%2fb", "/a%2fb", "/a%2fb", "/a%2fb", "/a/b"},
    {"/a%5Cb", "/a%5Cb", "/a%5Cb", "/a%5Cb", "/a/b"},
    {"/a%5cb", "/a%5cb", "/a%5cb", "/a%5cb", "/a/b"},
    {"/a\\b", "/a\\b", "/a/b", "/a/b", "/a/b"},
    {"/\\admin", "/\\admin", "//admin", "/admin", "/admin"},
    {"/x%2f..%2fadmin", "/x%2f..%2fadmin", "/x%2f..%2fadmin", "/x%2f..%2fadmin", "/admin"},
    {"/x\\..\\admin", "/x\\..\\admin", "/admin", "/admin", "/admin"},
    // Slashes are decoded first, dots removed with empty segments counting, slashes merged last.
    {"/a//../b", "/a//../b", "/a/b", "/a/b", "/a/b"},
    {"/a/%2f../b", "/a/%2f../b", "/a/%2f../b", "/a/%2f../b", "/a/b"},
    {"/a//..//../b", "/a//..//../b", "/a/b", "/a/b", "/a/b"},
    {"/.//a", "/.//a", "//a", "/a", "/a"},
    // RFC 3986 §5.2.4 and §5.4
    {"/.", "/.", "/", "/", "/"},
    {"/..", "/..", "/", "/", "/"},
    {"/../../a", "/../../a", "/a", "/a", "/a"},
    {"/a/.", "/a/.", "/a/", "/a/", "/a/"},
    {"/a/..", "/a/..", "/", "/", "/"},
    {"/a/../", "/a/../", "/", "/", "/"},
    {"/a/b/./../c", "/a/b/./../c", "/a/c", "/a/c", "/a/c"},
    {"/a/b/c/./../../g", "/a/b/c/./../../g", "/a/g", "/a/g", "/a/g"},
    {"/a/...", "/a/...", "/a/...", "/a/...", "/a/..."},
    {"/.a/..b/c.", "/.a/..b/c.", "/.a/..b/c.", "/.a/..b/c.", "/.a/..b/c."},
    // Unreserved escapes are decoded, once; all others stay as they are written.
    {"/%61%7A%30%2D%5F%7E", "/%61%7A%30%2D%5F%7E", "/az0-_~", "/az0-_~", "/az0-_~"},
    {"/%20%C3%a9%3b", "/%20%C3%a9%3b", "/%20%C3%a9%3b", "/%20%C3%a9%3b", "/%20%C3%a9%3b"},
    {"/%252e%252e/x", "/%252e%252e/x", "/%252e%252e/x", "/%252e%252e/x", "/%252e%252e/x"},
    {"/%2561", "/%2561", "/%2561", "/%2561", "/%2561"},
    // The query is never touched.
    {"/a/../b?x=/../%2e%00%zz//", "/a/../b?x=/../%2e%00%zz//", "/b?x=/../%2e%00%zz//",
     "/b?x=/../%2e%00%zz//", "/b?x=/../%2e%00%zz//"},
    {"/?", "/?", "/?", "/?", "/?"},
    {"/a%3F/../b", "/a%3F/../b", "/b", "/b", "/b"},
    // CVE-2026-73551: parameters do not hide a dot segment from FindAmbiguity(), see below.
    {"/user/..;x=y/admin", "/user/..;x=y/admin", "/user/..;x=y/admin", "/user/..;x=y/admin",
     "/user/..;x=y/admin"},
    // Refused.
    {"/a%00", "/a%00", "!null_byte", "!null_byte", "!null_byte"},
    {"/a%", "/a%", "!bad_escape", "!bad_escape", "!bad_escape"},
    {"/a%2", "/a%2", "!bad_escape", "!bad_escape", "!bad_escape"},
    {"/a%2g", "/a%2g", "!bad_escape", "!bad_escape", "!bad_escape"},
    {"/a%%32%65", "/a%%32%65", "!bad_escape", "!bad_escape", "!bad_escape"},
    {"/a%2?x", "/a%2?x", "!bad_escape", "!bad_escape", "!bad_escape"},
    {"", "!not_absolute", "!not_absolute", "!not_absolute", "!not_absolute"},
    {"a", "!not_absolute", "!not_absolute", "!not_absolute", "!not_absolute"},
    {"\\a", "!not_absolute", "!not_absolute", "!not_absolute", "!not_absolute"},
    {"%2Fa", "!not_absolute", "!not_absolute", "!not_absolute", "!not_absolute"},
    {"?x", "!not_absolute", "!not_absolute", "!not_absolute", "!not_absolute"},
};

TEST(PathTest, NormalizesEverySpellingByMode) {
  for (const Row& row : kTable) {
    EXPECT_EQ(Normalized(PathMode::kNone, row.target), row.none);
    EXPECT_EQ(Normalized(PathMode::kBase, row.target), row.base);
    EXPECT_EQ(Normalized(PathMode::kMergeSlashes, row.target), row.merge);
    EXPECT_EQ(Normalized(PathMode::kDecodeAndMergeSlashes, row.target), row.decode);
  }
}

TEST(PathTest, LeavesItsOwnResultUnchanged) {
  for (const Row& row : kTable) {
    for (const PathMode mode : {PathMode::kNone, PathMode::kBase, PathMode::kMergeSlashes,
                                PathMode::kDecodeAndMergeSlashes}) {
      const std::string once = Normalized(mode, row.target);
      if (once.front() == '!') continue;
      std::string out;
      EXPECT_EQ(NormalizePath(mode, once, out), PathOutcome::kUnchanged) << row.target;
    }
  }
}

TEST(PathTest, SaysWhenNothingChangesWithoutCopying) {
  std::string out = "untouched";
  EXPECT_EQ(NormalizePath(PathMode::kDecodeAndMergeSlashes, "/api/v1/items.json?x=/../%zz", out),
            PathOutcome::kUnchanged);
  EXPECT_EQ(out, "untouched");
  EXPECT_EQ(NormalizePath(PathMode::kDecodeAndMergeSlashes, "/a%20b", out),
            PathOutcome::kUnchanged);
}

TEST(PathTest, FindsSpellingsThatApplicationsReadAsSomethingElse) {
  for (absl::string_view path : {"/%252e%252E/admin", "/a%252Fb", "/a%255cb", "/a%25252fb"}) {
    EXPECT_EQ(FindAmbiguity(path), PathAmbiguity::kDoubleEncoded) << path;
  }
  for (absl::string_view path :
       {"/user/..;x=y/admin", "/..;/admin", "/a/..;", "/.;a/b", "/..%3B/x", "/a/..%3bx"}) {
    EXPECT_EQ(FindAmbiguity(path), PathAmbiguity::kDotParameters) << path;
  }
  for (absl::string_view path : {"/", "/a;b/c", "/a..;/b", "/...;/b", "/%2520", "/%25", "/a%2fb",
                                 "/a?..;/%252e", "/a?x=/..;", "/%25252"}) {
    EXPECT_EQ(FindAmbiguity(path), PathAmbiguity::kNone) << path;
  }
}

}  // namespace
}  // namespace kith::http
