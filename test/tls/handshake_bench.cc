// A mutual handshake in memory, both sides, and its most expensive part.
#include <benchmark/benchmark.h>
#include <openssl/pool.h>

#include "source/tls/peer.h"
#include "test/tls/mesh.h"

namespace kith::tls {
namespace {

void BM_MutualHandshakeBothSides(benchmark::State& state) {
  const Mesh mesh;
  const auto context = mesh.Workload(kBackend);
  for (auto _ : state) {
    if (!SelfHandshake(*context).ok()) state.SkipWithError("the handshake failed");
  }
}
BENCHMARK(BM_MutualHandshakeBothSides)->Unit(benchmark::kMicrosecond);

void BM_VerifyPeer(benchmark::State& state) {
  const Mesh mesh;
  const auto context = mesh.Workload(kBackend);
  const std::string der = mesh.ca.Leaf(kFrontend).certificate_der;
  bssl::UniquePtr<CRYPTO_BUFFER> buffer(
      CRYPTO_BUFFER_new(reinterpret_cast<const uint8_t*>(der.data()), der.size(), nullptr));
  CRYPTO_BUFFER* chain[] = {buffer.get()};
  for (auto _ : state) {
    const PeerVerdict verdict =
        VerifyPeer(chain, PeerRole::kClient, context->bundle(), mesh.clock.Now());
    if (!verdict.status.ok()) state.SkipWithError("the peer was refused");
  }
}
BENCHMARK(BM_VerifyPeer)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace kith::tls
