#include "source/mesh/choose.h"

#include <algorithm>

namespace kith::mesh {
namespace {

uint64_t WeightOf(const Endpoint& endpoint) { return std::max<uint32_t>(endpoint.weight, 1); }

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
    auto ticket =
        static_cast<uint64_t>((static_cast<unsigned __int128>(inputs_.random()) * total_) >> 64);
    for (size_t i = 0; i < inputs_.endpoints.size(); ++i) {
      if (!IsCandidate(i)) continue;
      const uint64_t weight = WeightOf(inputs_.endpoints[i]);
      if (ticket < weight) return i;
      ticket -= weight;
    }
    return kNoEndpoint;
  }

 private:
  bool IsCandidate(size_t i) const {
    return i != drawn_ &&
           std::find(inputs_.avoid.begin(), inputs_.avoid.end(), i) == inputs_.avoid.end();
  }

  const ChooseInputs& inputs_;
  const size_t drawn_;
  uint64_t total_ = 0;
};

}  // namespace

size_t ChooseEndpoint(const ChooseInputs& inputs) {
  const size_t first = Draw(inputs, kNoEndpoint).Run();
  if (first == kNoEndpoint) return kNoEndpoint;
  const size_t second = Draw(inputs, first).Run();
  if (second == kNoEndpoint) return first;
  // active / weight, compared without dividing. A tie is the first's, which keeps to the weights.
  const uint64_t first_load = inputs.active(first) * WeightOf(inputs.endpoints[second]);
  const uint64_t second_load = inputs.active(second) * WeightOf(inputs.endpoints[first]);
  return second_load < first_load ? second : first;
}

}  // namespace kith::mesh
