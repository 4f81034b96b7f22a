#include "source/telemetry/families.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <set>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "test/telemetry/text_file.h"

namespace kith::telemetry {
namespace {

bool IsName(absl::string_view name) {
  if (name.empty() || !absl::ascii_islower(static_cast<unsigned char>(name.front()))) return false;
  return std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '_';
  });
}

absl::string_view TypeOf(const Family& family) {
  switch (family.type) {
    case MetricType::kCounter:
      return "counter";
    case MetricType::kGauge:
      return "gauge";
    case MetricType::kHistogram:
      return "histogram";
  }
  return "";
}

TEST(FamiliesTest, AreAllInTheList) {
  const std::string header = test::ReadText("source/telemetry/families.h");
  EXPECT_EQ(test::AllBetween(header, "\nextern const Family k", ";").size(), AllFamilies().size());
  const std::set<const Family*> distinct(AllFamilies().begin(), AllFamilies().end());
  EXPECT_EQ(distinct.size(), AllFamilies().size());
}

TEST(FamiliesTest, FollowPrometheusRules) {
  std::set<absl::string_view> names;
  for (const Family* family : AllFamilies()) {
    SCOPED_TRACE(family->name);
    EXPECT_TRUE(IsName(family->name));
    EXPECT_TRUE(names.insert(family->name).second);
    EXPECT_EQ(absl::EndsWith(family->name, "_total"), family->type == MetricType::kCounter);
    // They would be taken for parts of a histogram.
    for (absl::string_view suffix : {"_bucket", "_sum", "_count"}) {
      EXPECT_FALSE(absl::EndsWith(family->name, suffix));
    }
    ASSERT_FALSE(family->help.empty());
    EXPECT_EQ(family->help.back(), '.');
    EXPECT_EQ(family->help.find_first_of("\n\\|"), absl::string_view::npos) << family->help;

    std::set<absl::string_view> labels;
    for (absl::string_view label : family->labels) {
      EXPECT_TRUE(IsName(label)) << label;
      EXPECT_FALSE(absl::StartsWith(label, "__")) << label;
      EXPECT_NE(label, "le");
      EXPECT_TRUE(labels.insert(label).second) << label;
    }
  }
}

TEST(FamiliesTest, HaveRisingBoundsIfHistograms) {
  for (const Family* family : AllFamilies()) {
    SCOPED_TRACE(family->name);
    EXPECT_EQ(family->bounds.empty(), family->type != MetricType::kHistogram);
    double last = 0;
    for (double bound : family->bounds) {
      EXPECT_GT(bound, last);
      EXPECT_TRUE(std::isfinite(bound));
      last = bound;
    }
  }
}

// A peer that makes up hosts or paths must not make series.
TEST(FamiliesTest, HaveNoLabelThatARequestFills) {
  for (const Family* family : AllFamilies()) {
    for (absl::string_view label : family->labels) {
      for (absl::string_view forbidden :
           {"path", "host", "authority", "method", "sni", "address"}) {
        EXPECT_NE(label, forbidden) << family->name;
      }
    }
  }
}

TEST(FamiliesTest, AreDocumented) {
  const std::string document = test::ReadText("docs/metrics.md");
  for (const Family* family : AllFamilies()) {
    std::string labels;
    for (absl::string_view label : family->labels) {
      absl::StrAppend(&labels, labels.empty() ? "" : ", ", label);
    }
    const std::string row = absl::StrCat("\n| `", family->name, "` | ", TypeOf(*family), " | ",
                                         labels, " | ", family->help, " |\n");
    EXPECT_TRUE(absl::StrContains(document, row)) << "docs/metrics.md lacks:" << row;
  }
  EXPECT_EQ(test::AllBetween(document, "\n| `", "`").size(), AllFamilies().size());
}

}  // namespace
}  // namespace kith::telemetry
