#include "source/x509/hash_chain.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace kith::x509 {
namespace {

std::string Log(int lines, absl::string_view before = "") {
  std::string chain = Sha256Hex(before);
  std::string text(before);
  for (int i = 0; i < lines; i++) {
    std::string next;
    absl::StrAppend(&text, ChainLine(absl::StrCat("{\"n\":", i, "}"), chain, next));
    chain = next;
  }
  return text;
}

absl::Status ReadAll(absl::string_view text, HashChainReader& reader) {
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (line.empty()) continue;
    absl::Status read = reader.Read(line);
    if (!read.ok()) return read;
  }
  return absl::OkStatus();
}

TEST(HashChainTest, FollowsWhatItMade) {
  HashChainReader reader;
  ASSERT_TRUE(ReadAll(Log(5), reader).ok());
  EXPECT_EQ(reader.lines(), 5u);
  EXPECT_EQ(reader.unchained(), 0u);
  EXPECT_EQ(reader.chain().size(), 64u);
}

TEST(HashChainTest, FindsEveryChangedByte) {
  const std::string good = Log(3);
  int refused = 0;
  for (size_t i = 0; i < good.size(); i++) {
    if (good[i] == '\n') continue;
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    if (bad[i] == '\n') continue;
    HashChainReader reader;
    // A first line whose chain is spoilt reads as one from before the chain began.
    if (!ReadAll(bad, reader).ok() || reader.unchained() > 0) refused++;
  }
  EXPECT_EQ(refused, static_cast<int>(good.size()) - 3);
}

TEST(HashChainTest, FindsALineRemovedSwappedOrRepeated) {
  const std::vector<std::string> lines = absl::StrSplit(Log(4), '\n', absl::SkipEmpty());
  using Order = std::vector<int>;
  for (const Order& order : {Order{0, 2, 3}, Order{0, 2, 1, 3}, Order{0, 1, 1, 2, 3}}) {
    std::string text;
    for (const int i : order) absl::StrAppend(&text, lines[i], "\n");
    HashChainReader reader;
    const absl::Status read = ReadAll(text, reader);
    EXPECT_TRUE(absl::IsDataLoss(read)) << read;
  }
}

TEST(HashChainTest, FindsALineWithoutAChainAmongOthers) {
  HashChainReader reader;
  const absl::Status read = ReadAll(absl::StrCat(Log(2), "{\"n\":9}\n"), reader);
  EXPECT_EQ(read.message(),
            "line 3: has no chain, unlike the line before it; it was changed or put there");
}

TEST(HashChainTest, VouchesForWhatStoodThereBefore) {
  const std::string before = "{\"v\":1}\n{\"v\":1}\n";
  HashChainReader good;
  ASSERT_TRUE(ReadAll(Log(2, before), good).ok());
  EXPECT_EQ(good.unchained(), 2u);
  std::string changed = Log(2, before);
  changed[5] = '2';
  HashChainReader bad;
  EXPECT_TRUE(absl::IsDataLoss(ReadAll(changed, bad)));
}

}  // namespace
}  // namespace kith::x509
