#include "source/mesh/choose.h"

#include <algorithm>
#include <cmath>

namespace kith::mesh {
namespace {

uint64_t WeightOf(const Endpoint& endpoint) { return std::max<uint32_t>(endpoint.weight, 1); }

// The finalizer of SplitMix64: spreads neighbouring numbers over all 64 bits.
uint64_t Mix(uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

// A draw of one endpoint by weight, among those that are neither avoided nor `drawn` before.
class Draw {
 public:
  Draw(const ChooseInputs& inputs, size_t drawn) : inputs_(inputs), drawn_(drawn) {
    for (size_t i = 0; i < inputs.endpoints.size(); ++i) {
      if (IsCandidate(i)) total_ += WeightOf(inputs.endpoints[i]);
    }
  }

  size_t Run() const {
    if (total_ == 0) return kNoEndpoint;
    // The high half of the product maps the random number evenly onto [0, total_).
    return Holder(
        static_cast<uint64_t>((static_cast<unsigned __int128>(inputs_.random()) * total_) >> 64));
  }

  // The endpoint whose share of the weights `turn` falls into.
  size_t InTurn(uint64_t turn) const { return total_ == 0 ? kNoEndpoint : Holder(turn % total_); }

  // The highest score wins: -weight / ln(u), with u uniform in (0, 1) by key and address.
  size_t ForKey(uint64_t key) const {
    size_t best = kNoEndpoint;
    double best_score = 0;
    for (size_t i = 0; i < inputs_.endpoints.size(); ++i) {
      if (!IsCandidate(i)) continue;
      const Endpoint& endpoint = inputs_.endpoints[i];
      const uint64_t mixed = Mix(key ^ Hash(endpoint.address.ToString()));
      const double uniform = (static_cast<double>(mixed >> 11) + 0.5) * 0x1.0p-53;
      const double score = -static_cast<double>(WeightOf(endpoint)) / std::log(uniform);
      if (best != kNoEndpoint && score <= best_score) continue;
      best = i;
      best_score = score;
    }
    return best;
  }

 private:
  size_t Holder(uint64_t ticket) const {
    for (size_t i = 0; i < inputs_.endpoints.size(); ++i) {
      if (!IsCandidate(i)) continue;
      const uint64_t weight = WeightOf(inputs_.endpoints[i]);
      if (ticket < weight) return i;
      ticket -= weight;
    }
    return kNoEndpoint;
  }

  bool IsCandidate(size_t i) const {
    return i != drawn_ &&
           std::find(inputs_.avoid.begin(), inputs_.avoid.end(), i) == inputs_.avoid.end();
  }

  const ChooseInputs& inputs_;
  const size_t drawn_;
  uint64_t total_ = 0;
};

}  // namespace

uint64_t Hash(absl::string_view key) {
  uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  for (const char c : key) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return Mix(hash);
}

size_t ChooseEndpoint(const ChooseInputs& inputs) {
  const Draw draw(inputs, kNoEndpoint);
  if (inputs.balancer == Balancer::kRoundRobin) return draw.InTurn(inputs.turn);
  if (inputs.balancer == Balancer::kConsistentHash && inputs.key) return draw.ForKey(*inputs.key);
  const size_t first = draw.Run();
  if (first == kNoEndpoint || inputs.balancer == Balancer::kRandom) return first;
  const size_t second = Draw(inputs, first).Run();
  if (second == kNoEndpoint) return first;
  // active / weight, compared without dividing. A tie is the first's, which keeps to the weights.
  const uint64_t first_load = inputs.active(first) * WeightOf(inputs.endpoints[second]);
  const uint64_t second_load = inputs.active(second) * WeightOf(inputs.endpoints[first]);
  return second_load < first_load ? second : first;
}

}  // namespace kith::mesh
