#include "source/base/byte_chain.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "source/base/check.h"

namespace kith::base {
namespace {

// Below this, copying a chain costs less than a nearly empty block and one more iovec.
constexpr size_t kCopyBelow = 1024;

}  // namespace

BlockPool::BlockPool(size_t max_free) : max_free_(max_free) {}

BlockPool::~BlockPool() {
  KITH_CHECK(outstanding_ == 0, "a byte chain outlives its pool");
  ReleaseFree();
}

void BlockPool::ReleaseFree() {
  // One by one: the destructor of a long list would recurse.
  while (free_ != nullptr) free_ = std::move(free_->next);
  free_count_ = 0;
}

std::unique_ptr<BlockPool::Block> BlockPool::Take() {
  ++outstanding_;
  if (free_ == nullptr) return std::make_unique_for_overwrite<Block>();
  std::unique_ptr<Block> block = std::move(free_);
  free_ = std::move(block->next);
  --free_count_;
  block->begin = 0;
  block->end = 0;
  return block;
}

void BlockPool::Return(std::unique_ptr<Block> block) {
  KITH_CHECK(outstanding_ > 0, "a block that was never taken comes back");
  --outstanding_;
  if (free_count_ >= max_free_) return;
  block->next = std::move(free_);
  free_ = std::move(block);
  ++free_count_;
}

ByteChain::ByteChain(BlockPool& pool) : pool_(pool) {}

ByteChain::~ByteChain() { Clear(); }

ByteChain::ByteChain(ByteChain&& other) noexcept
    : pool_(other.pool_),
      head_(std::move(other.head_)),
      tail_(std::exchange(other.tail_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

void ByteChain::Append(absl::Span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    absl::Span<uint8_t> room = Reserve();
    size_t count = std::min(room.size(), bytes.size());
    std::memcpy(room.data(), bytes.data(), count);
    Commit(count);
    bytes.remove_prefix(count);
  }
}

void ByteChain::Append(absl::string_view text) {
  Append(absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(text.data()), text.size()));
}

void ByteChain::Append(ByteChain&& other) {
  KITH_CHECK(&pool_ == &other.pool_, "chains of two pools are joined");
  KITH_CHECK(this != &other, "a chain is appended to itself");
  if (other.empty()) return other.Clear();
  if (!empty() && other.size() < kCopyBelow) {
    for (BlockPool::Block* block = other.head_.get(); block != nullptr; block = block->next.get()) {
      Append(absl::MakeConstSpan(block->bytes + block->begin, block->end - block->begin));
    }
    return other.Clear();
  }
  if (empty()) {
    Clear();  // A block that was reserved and never written.
    head_ = std::move(other.head_);
  } else {
    tail_->next = std::move(other.head_);
  }
  tail_ = std::exchange(other.tail_, nullptr);
  size_ += std::exchange(other.size_, 0);
}

absl::Span<uint8_t> ByteChain::Reserve() {
  if (tail_ == nullptr || tail_->end == BlockPool::kBlockSize) {
    std::unique_ptr<BlockPool::Block> block = pool_.Take();
    BlockPool::Block* added = block.get();
    (tail_ == nullptr ? head_ : tail_->next) = std::move(block);
    tail_ = added;
  }
  return absl::MakeSpan(tail_->bytes + tail_->end, BlockPool::kBlockSize - tail_->end);
}

void ByteChain::Commit(size_t written) {
  KITH_CHECK(tail_ != nullptr && written <= BlockPool::kBlockSize - tail_->end,
             "more is committed than was reserved");
  tail_->end += static_cast<uint32_t>(written);
  size_ += written;
  if (size_ == 0) Clear();
}

size_t ByteChain::Peek(struct iovec* vectors, size_t max) const {
  size_t count = 0;
  for (BlockPool::Block* block = head_.get(); block != nullptr && count < max;
       block = block->next.get()) {
    if (block->begin == block->end) continue;
    vectors[count].iov_base = block->bytes + block->begin;
    vectors[count].iov_len = block->end - block->begin;
    ++count;
  }
  return count;
}

absl::Span<const uint8_t> ByteChain::Front() const {
  if (empty()) return {};
  return absl::MakeConstSpan(head_->bytes + head_->begin, head_->end - head_->begin);
}

void ByteChain::Consume(size_t bytes) {
  KITH_CHECK(bytes <= size_, "more is consumed than the chain holds");
  size_ -= bytes;
  if (size_ == 0) return Clear();
  // An empty block can lie between two others (reserved, never written); it never becomes the head.
  for (;;) {
    uint32_t available = head_->end - head_->begin;
    if (bytes < available) break;
    bytes -= available;
    std::unique_ptr<BlockPool::Block> next = std::move(head_->next);
    pool_.Return(std::move(head_));
    head_ = std::move(next);
  }
  head_->begin += static_cast<uint32_t>(bytes);
}

void ByteChain::Clear() {
  while (head_ != nullptr) {
    std::unique_ptr<BlockPool::Block> next = std::move(head_->next);
    pool_.Return(std::move(head_));
    head_ = std::move(next);
  }
  tail_ = nullptr;
  size_ = 0;
}

}  // namespace kith::base
