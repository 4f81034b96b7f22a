// The time of one decision, by the number of policies before the one that decides.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "source/base/spiffe_id.h"
#include "source/policy/policy_set.h"
#include "test/policy/policy_text.h"

namespace kith::policy {
namespace {

// `count` policies of which only the last lets the peer in.
std::shared_ptr<const PolicySet> Allows(int count) {
  std::vector<security::v1::AuthorizationPolicy> policies;
  for (int i = count - 1; i >= 0; --i) {
    policies.push_back(PolicyOf(
        absl::StrCat("{rules: [{from: [{source: {principals: [cluster.local/ns/demo/sa/client-", i,
                     "]}}], to: [{operation: {methods: [GET, HEAD], paths: [\"/api/*\"]}}]}]}")));
  }
  return *PolicySet::Compile(policies, {});
}

void Decide(benchmark::State& state, const PolicySet& policies, absl::string_view path) {
  const auto peer = base::SpiffeId::Parse("spiffe://cluster.local/ns/demo/sa/client-0");
  Request request;
  request.kind = Request::Kind::kHttp;
  request.peer = &*peer;
  request.destination_port = 8080;
  request.method = "GET";
  request.path = path;
  for (auto _ : state) benchmark::DoNotOptimize(policies.Decide(request));
}

void BM_NoPolicy(benchmark::State& state) { Decide(state, *PolicySet::AllowAll(), "/api/items/7"); }
BENCHMARK(BM_NoPolicy);

void BM_AllowByPrincipalAndPath(benchmark::State& state) {
  Decide(state, *Allows(static_cast<int>(state.range(0))), "/api/items/7");
}
BENCHMARK(BM_AllowByPrincipalAndPath)->Arg(1)->Arg(10)->Arg(100)->Arg(1000);

void BM_DenyByPathWithParameters(benchmark::State& state) {
  const auto policies = PolicySet::Compile(
      {PolicyOf(
          "{action: DENY, rules: [{to: [{operation: {paths: [\"/admin*\", \"*/secret\"]}}]}]}")},
      {});
  Decide(state, **policies, "/api;v=1/items;q=2/7");
}
BENCHMARK(BM_DenyByPathWithParameters);

}  // namespace
}  // namespace kith::policy
