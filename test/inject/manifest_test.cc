#include "source/inject/manifest.h"

#include <gtest/gtest.h>

namespace kith::inject {
namespace {

Json Read(absl::string_view text) {
  auto parts = ParseManifest(text, "test.yaml");
  EXPECT_TRUE(parts.ok()) << parts.status();
  return parts.ok() ? parts->front().object : Json();
}

TEST(ManifestTest, ReadsScalarsAsKubectlDoes) {
  const Json json = Read(
      "{octal: 0644, hex: 0x1F, on: on, no: No, quoted: \"on\", real: 1.5, half: '0.5', tilde: ~,\n"
      " date: 2026-11-21, version: 1.2.3, negative: -7, big: 9007199254740993, empty: }");
  EXPECT_EQ(json["octal"], 420);
  EXPECT_EQ(json["hex"], 31);
  EXPECT_EQ(json["on"], true);
  EXPECT_EQ(json["no"], false);
  EXPECT_EQ(json["quoted"], "on");
  EXPECT_EQ(json["real"], 1.5);
  EXPECT_EQ(json["half"], "0.5");
  EXPECT_TRUE(json["tilde"].is_null());
  EXPECT_EQ(json["date"], "2026-11-21");
  EXPECT_EQ(json["version"], "1.2.3");
  EXPECT_EQ(json["negative"], -7);
  EXPECT_EQ(json["big"], 9007199254740993);
  EXPECT_TRUE(json["empty"].is_null());
}

TEST(ManifestTest, KeepsEveryByteOfItsParts) {
  const std::string text = "# one\na:   1\n---   # two\nb: 2\n---\n---\nc: 3";
  const auto parts = ParseManifest(text, "test.yaml");
  ASSERT_TRUE(parts.ok()) << parts.status();
  std::string again;
  for (const ManifestPart& part : *parts) again += part.separator + part.text;
  EXPECT_EQ(again, text);
  ASSERT_EQ(parts->size(), 4);
  EXPECT_TRUE((*parts)[2].object.is_null());
  EXPECT_EQ((*parts)[3].object["c"], 3);
}

TEST(ManifestTest, NamesTheLineOfTheWholeFile) {
  const auto parts = ParseManifest("a: 1\n---\nb: 2\nb: 3\n", "test.yaml");
  ASSERT_FALSE(parts.ok());
  EXPECT_NE(parts.status().message().find("test.yaml:4:"), std::string::npos) << parts.status();
}

TEST(ManifestTest, RefusesMergeKeys) {
  EXPECT_FALSE(ParseManifest("x: &x {a: 1}\ny: {<<: *x}\n", "test.yaml").ok());
}

TEST(ManifestTest, WritesStringsThatStayStrings) {
  const Json json = {{"plain", "value"},
                     {"number", "1.10"},
                     {"boolean", "yes"},
                     {"null", "null"},
                     {"empty", ""},
                     {"colon", "a: b # c"},
                     {"json", R"({"a":"it's"})"},
                     {"dash", "- x"},
                     {"lines", "first\n  second\n\nthird\n"},
                     {"open", "first\nlast"},
                     {"trailing", "x \ny\n"},
                     {"tab", "a\tb"},
                     {"unicode", "Grüße"},
                     {"list", {"a", 1, true, nullptr, Json::object(), Json::array()}},
                     {"nested", {{{"name", "x"}, {"items", Json::array({{{"k", "v"}}})}}}}};
  EXPECT_EQ(Canonical(Read(ToYaml(json))), Canonical(json)) << ToYaml(json);
  EXPECT_NE(ToYaml(json).find("lines: |\n  first\n    second\n\n  third\n"), std::string::npos)
      << ToYaml(json);
}

TEST(ManifestTest, KeepsTheCommentsAboveWhatItWritesAnew) {
  auto parts = ParseManifest("# why\n# it is so\na: 1 # lost\n", "test.yaml");
  ASSERT_TRUE(parts.ok());
  (*parts)[0].object["b"] = 2;
  EXPECT_EQ((*parts)[0].Rewritten(), "# why\n# it is so\na: 1\nb: 2\n");
}

}  // namespace
}  // namespace kith::inject
