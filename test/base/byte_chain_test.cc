#include "source/base/byte_chain.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace kith::base {
namespace {

std::string Contents(const ByteChain& chain) {
  iovec vectors[4096];
  std::string all;
  size_t count = chain.Peek(vectors, std::size(vectors));
  for (size_t i = 0; i < count; ++i) {
    EXPECT_GT(vectors[i].iov_len, 0u);
    all.append(static_cast<const char*>(vectors[i].iov_base), vectors[i].iov_len);
  }
  return all;
}

std::string Text(size_t size, std::mt19937& random) {
  std::string text(size, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

absl::Span<const uint8_t> Bytes(const std::string& text) {
  return absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(text.data()), text.size());
}

// What a chain must behave like, whatever is done to it.
class Modelled {
 public:
  explicit Modelled(BlockPool& pool) : chain_(pool) {}

  void Append(std::mt19937& random) {
    std::string text = Text(random() % 3 == 0 ? random() % 60000 : random() % 200, random);
    chain_.Append(absl::string_view(text));
    model_ += text;
  }

  void ReserveAndCommit(std::mt19937& random) {
    absl::Span<uint8_t> room = chain_.Reserve();
    ASSERT_FALSE(room.empty());
    std::string text = Text(random() % (room.size() + 1), random);
    std::memcpy(room.data(), text.data(), text.size());
    chain_.Commit(text.size());
    model_ += text;
  }

  void ReserveAndForget() { chain_.Reserve(); }

  void Consume(std::mt19937& random) {
    size_t bytes = random() % (model_.size() + 1);
    chain_.Consume(bytes);
    model_.erase(0, bytes);
  }

  void Take(Modelled& other) {
    chain_.Append(std::move(other.chain_));
    model_ += std::exchange(other.model_, "");
  }

  void Clear() {
    chain_.Clear();
    model_.clear();
  }

  void Check() const {
    ASSERT_EQ(chain_.size(), model_.size());
    ASSERT_EQ(chain_.empty(), model_.empty());
    ASSERT_TRUE(Contents(chain_) == model_);
    absl::Span<const uint8_t> front = chain_.Front();
    ASSERT_EQ(front.empty(), model_.empty());
    ASSERT_TRUE(std::equal(front.begin(), front.end(), Bytes(model_).begin()));
  }

 private:
  ByteChain chain_;
  std::string model_;
};

TEST(ByteChainTest, BehavesAsAString) {
  BlockPool pool(8);
  for (unsigned seed = 0; seed < 20; ++seed) {
    std::mt19937 random(seed);
    Modelled chains[2] = {Modelled(pool), Modelled(pool)};
    for (int step = 0; step < 300; ++step) {
      Modelled& chain = chains[random() % 2];
      switch (random() % 8) {
        case 0:
        case 1:
          chain.Append(random);
          break;
        case 2:
          chain.ReserveAndCommit(random);
          break;
        case 3:
          chain.ReserveAndForget();
          break;
        case 4:
        case 5:
          chain.Consume(random);
          break;
        case 6:
          chain.Take(&chain == &chains[0] ? chains[1] : chains[0]);
          break;
        case 7:
          if (random() % 10 == 0) chain.Clear();
          break;
      }
      chains[0].Check();
      chains[1].Check();
      if (HasFatalFailure()) FAIL() << "seed " << seed << ", step " << step;
    }
  }
  EXPECT_EQ(pool.outstanding(), 0u);
}

TEST(ByteChainTest, GivesItsBlocksBackWhenEmptied) {
  BlockPool pool;
  ByteChain chain(pool);
  chain.Append(std::string(3 * BlockPool::kBlockSize, 'x'));
  EXPECT_EQ(pool.outstanding(), 3u);
  chain.Consume(BlockPool::kBlockSize);
  EXPECT_EQ(pool.outstanding(), 2u);
  chain.Consume(2 * BlockPool::kBlockSize);
  EXPECT_EQ(pool.outstanding(), 0u);
  chain.Reserve();
  chain.Commit(0);
  EXPECT_EQ(pool.outstanding(), 0u);
}

TEST(ByteChainTest, FillsTheTailBlockWithSmallPieces) {
  BlockPool pool;
  ByteChain chain(pool);
  for (int i = 0; i < 100; ++i) chain.Append("a short piece");
  iovec vectors[4];
  EXPECT_EQ(chain.Peek(vectors, 4), 1u);
  EXPECT_EQ(pool.outstanding(), 1u);
}

TEST(ByteChainTest, MovesLargeChainsAndCopiesSmallOnes) {
  BlockPool pool;
  ByteChain target(pool), large(pool), small(pool);
  target.Append("head");
  large.Append(std::string(5000, 'l'));
  const uint8_t* bytes = large.Front().data();
  target.Append(std::move(large));
  iovec vectors[4];
  ASSERT_EQ(target.Peek(vectors, 4), 2u);
  EXPECT_EQ(vectors[1].iov_base, bytes);
  EXPECT_TRUE(large.empty());

  small.Append("tail");
  target.Append(std::move(small));
  EXPECT_EQ(target.Peek(vectors, 4), 2u);
  EXPECT_EQ(pool.outstanding(), 2u);
  EXPECT_EQ(target.size(), 5008u);
}

TEST(ByteChainTest, PeeksNoMoreThanAskedFor) {
  BlockPool pool;
  ByteChain chain(pool);
  chain.Append(std::string(5 * BlockPool::kBlockSize, 'x'));
  iovec vectors[2];
  EXPECT_EQ(chain.Peek(vectors, 2), 2u);
}

TEST(BlockPoolTest, UsesReturnedBlocksAgain) {
  BlockPool pool(1);
  std::unique_ptr<BlockPool::Block> first = pool.Take();
  std::unique_ptr<BlockPool::Block> second = pool.Take();
  BlockPool::Block* kept = first.get();
  first->begin = 5;
  first->end = 9;
  pool.Return(std::move(first));
  pool.Return(std::move(second));  // Beyond the limit: freed.
  std::unique_ptr<BlockPool::Block> again = pool.Take();
  EXPECT_EQ(again.get(), kept);
  EXPECT_EQ(again->begin, 0u);
  EXPECT_EQ(again->end, 0u);
  EXPECT_EQ(again->next, nullptr);
  pool.Return(std::move(again));
}

TEST(ByteChainDeathTest, RefusesToJoinChainsOfTwoPools) {
  BlockPool one, two;
  ByteChain a(one), b(two);
  b.Append("bytes");
  EXPECT_DEATH(a.Append(std::move(b)), "chains of two pools");
}

TEST(ByteChainDeathTest, RefusesToConsumeMoreThanItHolds) {
  BlockPool pool;
  ByteChain chain(pool);
  chain.Append("four");
  EXPECT_DEATH(chain.Consume(5), "more is consumed");
}

}  // namespace
}  // namespace kith::base
