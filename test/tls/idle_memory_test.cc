// What an established connection costs while nothing moves on it.
#include <gtest/gtest.h>
#include <malloc.h>

#include <cstdio>
#include <memory>
#include <vector>

#include "test/tls/tls_pair.h"

namespace kith::tls {
namespace {

constexpr size_t kPairs = 100;
// Per connection, of the target of 10 KiB that the socket shares.
constexpr size_t kLimit = 9 * 1024;

size_t BytesInUse() { return mallinfo2().uordblks; }

TEST(IdleMemoryTest, StaysBelowItsTarget) {
  if (BytesInUse() == 0) GTEST_SKIP() << "this allocator (a sanitizer's) does not count";
  const Mesh mesh;
  const auto frontend = mesh.Workload(kFrontend);
  const auto backend = mesh.Workload(kBackend);
  std::vector<std::unique_ptr<TlsPair>> pairs;
  for (size_t i = 0; i < kPairs; ++i) pairs.push_back(std::make_unique<TlsPair>());
  // The first handshake fills what is shared: pools, caches, the error queue.
  pairs[0]->Establish(frontend, backend);
  const size_t before = BytesInUse();
  for (size_t i = 1; i < kPairs; ++i) {
    pairs[i]->Establish(frontend, backend);
    pairs[i]->sockets.Pass();
    EXPECT_EQ(pairs[i]->sockets.loop->blocks().outstanding(), 0u);
  }
  // Each pair here has its own loop, whose block pool keeps its freed blocks and the scratches.
  size_t of_loops = 0;
  {
    net::StreamPair sockets;
    const size_t at = BytesInUse();
    sockets.loop->plaintext_scratch();
    sockets.loop->blocks().Return(sockets.loop->blocks().Take());
    of_loops = BytesInUse() - at;
  }
  const size_t each = ((BytesInUse() - before) / (kPairs - 1) - of_loops) / 2;
  std::printf("an idle TLS connection holds %zu bytes beside its socket\n", each);
  EXPECT_LT(each, kLimit);
}

}  // namespace
}  // namespace kith::tls
