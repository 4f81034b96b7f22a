// Bytes on their way out: a queue of fixed blocks borrowed from the loop's pool, so that an idle
// connection holds none and a busy one allocates nothing.
// Threads: a pool and its chains belong to one loop's thread.
// Owns: a chain its blocks until they are consumed or it dies; then they go back to the pool, which
// must outlive every chain made from it.
// Errors: none; a caller bounds size() itself.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace kith::base {

class BlockPool {
 public:
  // One TLS record (16 KiB of plaintext and its overhead) fits a block.
  static constexpr size_t kBlockSize = 16384 + 512;

  struct Block {
    std::unique_ptr<Block> next;
    uint32_t begin = 0;  // First byte not yet consumed.
    uint32_t end = 0;    // One past the last byte written.
    uint8_t bytes[kBlockSize];
  };

  explicit BlockPool(size_t max_free = 256);  // Free blocks beyond this go back to the heap.
  ~BlockPool();
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  std::unique_ptr<Block> Take();
  void Return(std::unique_ptr<Block> block);

  // Gives the free blocks back to the heap.
  void ReleaseFree();

  size_t outstanding() const { return outstanding_; }  // Blocks now lent to chains.

 private:
  std::unique_ptr<Block> free_;
  size_t free_count_ = 0;
  size_t max_free_;
  size_t outstanding_ = 0;
};

class ByteChain {
 public:
  explicit ByteChain(BlockPool& pool);
  ~ByteChain();
  ByteChain(ByteChain&& other) noexcept;
  ByteChain& operator=(ByteChain&&) = delete;

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  void Append(absl::Span<const uint8_t> bytes);
  void Append(absl::string_view text);
  // All of `other`, whose pool is the same; moves blocks when that is cheaper than copying.
  void Append(ByteChain&& other);

  // Room for at least one byte, at most one block, at the tail; Commit() says how much was written.
  absl::Span<uint8_t> Reserve();
  void Commit(size_t written);

  // Fills up to `max` iovecs from the front; returns how many.
  size_t Peek(struct iovec* vectors, size_t max) const;
  // The first contiguous piece; empty when the chain is.
  absl::Span<const uint8_t> Front() const;
  void Consume(size_t bytes);
  void Clear();

 private:
  BlockPool& pool_;
  std::unique_ptr<BlockPool::Block> head_;
  BlockPool::Block* tail_ = nullptr;
  size_t size_ = 0;
};

}  // namespace kith::base
