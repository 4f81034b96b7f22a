#include "source/config/yaml.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace kith::config {
namespace {

std::string ErrorOf(absl::string_view text, const Limits& limits = {}) {
  const auto tree = ParseYaml(text, "f.yaml", limits);
  if (tree.ok()) return "OK";
  EXPECT_EQ(tree.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(tree.status().message());
}

std::string Repeat(absl::string_view text, int times) {
  std::string result;
  for (int i = 0; i < times; ++i) absl::StrAppend(&result, text);
  return result;
}

TEST(YamlTest, KeepsLinesQuotesAndOrder) {
  const auto tree = ParseYaml("# top\nb: 1\na:\n- x\n- \"y\"\n- |\n  z\n", "f.yaml", {});
  ASSERT_TRUE(tree.ok()) << tree.status();
  const Node& root = *(*tree)->documents.at(0);
  ASSERT_EQ(root.kind, Node::Kind::kMap);
  ASSERT_EQ(root.members.size(), 2u);
  EXPECT_EQ(root.members[0].key, "b");
  EXPECT_EQ(root.members[1].line, 3);
  const Node& list = *root.Find("a");
  ASSERT_EQ(list.items.size(), 3u);
  EXPECT_TRUE(list.items[0]->plain);
  EXPECT_FALSE(list.items[1]->plain);
  EXPECT_FALSE(list.items[2]->plain);
  EXPECT_EQ(list.items[1]->line, 5);
  EXPECT_EQ(root.Find("c"), nullptr);
}

TEST(YamlTest, ReadsJson) {
  const auto tree = ParseYaml(
      "{\"a\":{\"b\":[1,true,null,\"\\u00e9\\/\\n\"]},\t\"c\" :\n[],\"d\":-1.5e3,\"e\":\"\"}\n",
      "f.json", {});
  ASSERT_TRUE(tree.ok()) << tree.status();
  const Node& root = *(*tree)->documents.at(0);
  const Node& list = *root.Find("a")->Find("b");
  ASSERT_EQ(list.items.size(), 4u);
  EXPECT_EQ(list.items[2]->kind, Node::Kind::kNull);
  EXPECT_EQ(list.items[3]->text, "\xc3\xa9/\n");
  EXPECT_EQ(root.Find("c")->kind, Node::Kind::kSequence);
  EXPECT_EQ(root.Find("d")->text, "-1.5e3");
  EXPECT_EQ(root.Find("e")->kind, Node::Kind::kScalar);
}

TEST(YamlTest, SkipsEmptyDocuments) {
  for (absl::string_view text : {"", "---\n", "# nothing\n", "---\n---\n...\n", "null\n"}) {
    const auto tree = ParseYaml(text, "f.yaml", {});
    ASSERT_TRUE(tree.ok()) << tree.status();
    EXPECT_TRUE((*tree)->documents.empty()) << text;
  }
  const auto tree = ParseYaml("---\na: 1\n---\n\n---\nb: 2\n", "f.yaml", {});
  ASSERT_TRUE(tree.ok()) << tree.status();
  ASSERT_EQ((*tree)->documents.size(), 2u);
  EXPECT_EQ((*tree)->documents[1]->line, 6);
}

TEST(YamlTest, RefusesTextAfterADocument) {
  EXPECT_EQ(ErrorOf("{a: 1}\n{b: 2}\n"),
            "f.yaml:2: text after the end of the document; separate documents by ---");
  EXPECT_NE(ErrorOf("{\"a\": 1}}"), "OK");
}

TEST(YamlTest, NamesTheLineOfASyntaxError) {
  EXPECT_EQ(ErrorOf("a: 1\nb: [1, 2\nc: 3\n").substr(0, 9), "f.yaml:3:");
  EXPECT_NE(ErrorOf("a: 1\n b: 2\n"), "OK");
  EXPECT_NE(ErrorOf("a: 1\n\tb: 2\n"), "OK");
  EXPECT_NE(ErrorOf("\"never closed"), "OK");
  EXPECT_NE(ErrorOf("a: \"\\ud83d\\ude00\""), "OK");
}

TEST(YamlTest, RefusesDuplicateKeys) {
  EXPECT_EQ(ErrorOf("a: 1\nb:\n  c: 1\n  \"c\": 2\n"), "f.yaml:4: key \"c\" appears twice");
}

TEST(YamlTest, RefusesKeysThatAreNotScalars) {
  EXPECT_EQ(ErrorOf("? [a]\n: 1\n"), "f.yaml:1: a key must be a string or a number");
  EXPECT_EQ(ErrorOf("x: {{a: 1}: 1}\n"), "f.yaml:1: a key must be a string or a number");
  EXPECT_EQ(ErrorOf("a: &k x\n*k : 1\n"), "f.yaml:2: an alias cannot be a key");
  EXPECT_EQ(ErrorOf("~: 1\n"), "f.yaml:1: a key is missing");
}

TEST(YamlTest, RefusesTagsAndMergeKeys) {
  EXPECT_EQ(ErrorOf("a: !!binary aGk=\n"), "f.yaml:1: tags other than !!str are not supported");
  EXPECT_EQ(ErrorOf("a: !x [1]\n"), "f.yaml:1: tags other than !!str are not supported");
  EXPECT_EQ(ErrorOf("a: &x {b: 1}\nc:\n  <<: *x\n"), "f.yaml:3: merge keys (<<) are not supported");
  const auto tree = ParseYaml("!!str 8080", "f.yaml", {});
  ASSERT_TRUE(tree.ok()) << tree.status();
  EXPECT_FALSE((*tree)->documents[0]->plain);
}

TEST(YamlTest, FollowsAliases) {
  const auto tree = ParseYaml("a: &x [1]\nb: *x\n", "f.yaml", {});
  ASSERT_TRUE(tree.ok()) << tree.status();
  const Node& root = *(*tree)->documents[0];
  EXPECT_EQ(root.Find("a"), root.Find("b"));
  EXPECT_EQ(ErrorOf("a: *nobody\n").substr(0, 9), "f.yaml:1:");
  EXPECT_EQ(ErrorOf("a: &x [*x]\n"), "f.yaml:1: an alias inside what it stands for");
  EXPECT_NE(ErrorOf("a: &x 1\n---\nb: *x\n"), "OK");
}

TEST(YamlTest, StopsAliasBombs) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 30; ++i) {
    absl::StrAppend(&bomb, "a", i, ": &a", i, " [", Repeat(absl::StrCat("*a", i - 1, ", "), 9),
                    "*a", i - 1, "]\n");
  }
  EXPECT_EQ(ErrorOf(bomb),
            "f.yaml:6: more than 200000 values in the file, aliases followed; split it");
}

TEST(YamlTest, BoundsDepthEvenThroughAliases) {
  EXPECT_EQ(ErrorOf(Repeat("[", 64) + Repeat("]", 64)), "OK");
  EXPECT_EQ(ErrorOf(Repeat("[", 65) + Repeat("]", 65)),
            "f.yaml:1: nested more than 64 levels deep");
  EXPECT_NE(ErrorOf(Repeat("[", 500'000)), "OK");
  EXPECT_NE(ErrorOf(Repeat("- ", 300'000)), "OK");
  EXPECT_NE(ErrorOf(Repeat("{a: ", 200'000)), "OK");
  std::string ladder = "a0: &a0 [x]\n";
  for (int i = 1; i < 70; ++i) absl::StrAppend(&ladder, "a", i, ": &a", i, " [*a", i - 1, "]\n");
  EXPECT_EQ(ErrorOf(ladder), "f.yaml:63: nested more than 64 levels deep");
}

TEST(YamlTest, BoundsBytesNodesAndDocuments) {
  Limits limits;
  limits.bytes = 10;
  EXPECT_EQ(ErrorOf("0123456789", limits), "OK");
  EXPECT_EQ(ErrorOf("0123456789a", limits), "f.yaml: longer than 10 bytes; split it");
  limits = {};
  limits.nodes = 4;
  EXPECT_EQ(ErrorOf("[1, 2, 3]", limits), "OK");
  EXPECT_NE(ErrorOf("[1, 2, 3, 4]", limits), "OK");
  EXPECT_NE(ErrorOf("[1, 2]\n---\n[1, 2]\n", limits), "OK");
  limits = {};
  limits.documents = 2;
  EXPECT_EQ(ErrorOf("--- a\n--- b\n", limits), "OK");
  EXPECT_EQ(ErrorOf("--- a\n--- b\n--- c\n", limits), "f.yaml:3: more than 2 documents");
  // Empty ones count too: each costs time.
  EXPECT_EQ(ErrorOf(Repeat("---\n", 100'000)), "f.yaml:1001: more than 1000 documents");
}

TEST(YamlTest, RefusesEscapesThatLeaveNoText) {
  for (absl::string_view escape : {"\\_", "\\N", "\\0", "\\x00", "\\u0000"}) {
    EXPECT_EQ(ErrorOf(absl::StrCat("a:\n- \"x", escape, "y\"\n")),
              "f.yaml:2: an escape that is not supported in a string");
    EXPECT_NE(ErrorOf(absl::StrCat("\"", escape, "\": 1")), "OK");
  }
  EXPECT_EQ(ErrorOf("a: \"\\n\\t\\x41\\u00e9\\U0001f600\"\n"), "OK");
}

TEST(YamlTest, RefusesWhatIsNotText) {
  EXPECT_EQ(ErrorOf(absl::string_view("a: 1\nb: \0", 9)),
            "f.yaml:2: control character 0x00; is this a text file?");
  for (absl::string_view bytes :
       {"\xff", "\xc0\xaf", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc3", "\xe2\x82",
        "\x80", "\xf5\x80\x80\x80", "\xf0\x80\x80\x80"}) {
    EXPECT_EQ(ErrorOf(absl::StrCat("a: ", bytes)),
              "f.yaml:1: not UTF-8; save the file in that encoding");
  }
  EXPECT_EQ(ErrorOf("a: \"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\"\n"), "OK");
  EXPECT_EQ(ErrorOf("\xef\xbb\xbf"
                    "a: 1\r\nb: 2\r\n"),
            "OK");
}

}  // namespace
}  // namespace kith::config
