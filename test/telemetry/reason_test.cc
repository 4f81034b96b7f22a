#include "source/telemetry/reason.h"

#include <cctype>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "test/telemetry/text_file.h"

namespace kith::telemetry {
namespace {

std::vector<Reason> All() {
  std::vector<Reason> all;
  for (size_t i = 0; i < kReasonCount; ++i) all.push_back(static_cast<Reason>(i));
  return all;
}

// "certificate_expired" of "  kCertificateExpired,".
std::string SnakeCase(absl::string_view enumerator) {
  std::string name;
  for (char c : enumerator) {
    if (std::isupper(static_cast<unsigned char>(c)) && !name.empty()) name += '_';
    name += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return name;
}

TEST(ReasonTest, IsNamedAfterItsEnumerator) {
  const std::string header = test::ReadText("source/telemetry/reason.h");
  const std::vector<std::string> enumerators = test::AllBetween(header, "\n  k", ",");
  ASSERT_EQ(enumerators.size(), kReasonCount);
  EXPECT_EQ(enumerators[0], "None");
  EXPECT_EQ(Name(Reason::kNone), "-");
  for (size_t i = 1; i < kReasonCount; ++i) {
    EXPECT_EQ(Name(static_cast<Reason>(i)), SnakeCase(enumerators[i]));
  }
}

TEST(ReasonTest, HasAnExplanationOfItsOwn) {
  std::set<absl::string_view> names;
  std::set<absl::string_view> causes;
  for (Reason reason : All()) {
    SCOPED_TRACE(Name(reason));
    EXPECT_TRUE(names.insert(Name(reason)).second);
    EXPECT_TRUE(causes.insert(Cause(reason)).second);
    for (absl::string_view sentence : {Cause(reason), Remedy(reason)}) {
      ASSERT_GT(sentence.size(), 10u);
      EXPECT_TRUE(std::isalpha(static_cast<unsigned char>(sentence.front()))) << sentence;
      EXPECT_EQ(sentence.back(), '.');
      // They go into tables and one-line messages.
      EXPECT_FALSE(absl::StrContains(sentence, '\n')) << sentence;
      EXPECT_FALSE(absl::StrContains(sentence, '|')) << sentence;
    }
  }
}

TEST(ReasonTest, IsDocumented) {
  std::string rows;
  for (Reason reason : All()) {
    if (reason == Reason::kNone) continue;
    absl::StrAppend(&rows, "| `", Name(reason), "` | ", Cause(reason), " | ", Remedy(reason),
                    " |\n");
  }
  const std::string document = test::ReadText("docs/reasons.md");
  EXPECT_TRUE(absl::StrContains(document, rows))
      << "docs/reasons.md must hold exactly these rows:\n"
      << rows;
  EXPECT_EQ(test::AllBetween(document, "\n| `", "`").size(), kReasonCount - 1);
}

}  // namespace
}  // namespace kith::telemetry
