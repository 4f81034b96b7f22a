// Counts this program's allocations, so it is a program of its own.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <string>

#include "source/base/spiffe_id.h"
#include "source/policy/policy_set.h"
#include "test/policy/policy_text.h"

namespace {
std::atomic<int> allocations{0};
}  // namespace

void* operator new(size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace kith::policy {
namespace {

TEST(PolicySetAllocationTest, DecidesWithoutAllocating) {
  auto deny = PolicyOf(
      "{action: DENY, rules: [{from: [{source: {principals: [\"*/sa/none\"], notNamespaces: "
      "[\"x*y\"]}}, {source: {namespaces: [\"a*b*c\"]}}], to: [{operation: {paths: [\"/none/*\", "
      "\"*/none\"], methods: [PUT]}}]}]}");
  auto allow = PolicyOf(
      "{rules: [{to: [{operation: {notPaths: [\"/secret\", \"*/hidden\"], ports: [\"8080\"]}}]}]}");
  const auto policies = PolicySet::Compile({deny, allow}, {});
  ASSERT_TRUE(policies.ok()) << policies.status();
  const auto peer = base::SpiffeId::Parse("spiffe://cluster.local/ns/abc/sa/a-rather-long-account");
  ASSERT_TRUE(peer.ok());
  const std::string path = "/a;b/" + std::string(4'000, 'x') + ";y=z/end";
  Request request;
  request.kind = Request::Kind::kHttp;
  request.peer = &*peer;
  request.destination_port = 8080;
  request.method = "PUT";
  request.path = path;
  const int before = allocations;
  ASSERT_GT(before, 0);
  const Decision http = (*policies)->Decide(request);
  request.kind = Request::Kind::kTcp;
  const Decision tcp = (*policies)->Decide(request);
  const int after = allocations;
  EXPECT_EQ(after, before);
  EXPECT_TRUE(http.allowed);
  EXPECT_FALSE(tcp.allowed);
}

}  // namespace
}  // namespace kith::policy
