// Chooses the endpoint for a connection or request: of two drawn at random, by weight, the one with
// fewer active requests for its weight. Close to the least loaded of all without looking at all,
// and without the herd that the least loaded would attract. Threads: any, pure; runs the callbacks
// on the caller's. Owns: nothing, allocates nothing. Errors: kNoEndpoint when none is left.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/types/span.h"
#include "source/mesh/snapshot.h"

namespace kith::mesh {

inline constexpr size_t kNoEndpoint = static_cast<size_t>(-1);

struct ChooseInputs {
  absl::Span<const Endpoint> endpoints;
  // How many requests the endpoint of this index is working on for the caller.
  absl::FunctionRef<uint32_t(size_t)> active;
  // Uniform in all 64 bits.
  absl::FunctionRef<uint64_t()> random;
  // Indices that are not to be chosen: tried already for this request, few.
  absl::Span<const size_t> avoid = {};
};

// The index of an endpoint. While nothing is active each is chosen in proportion to its weight.
size_t ChooseEndpoint(const ChooseInputs& inputs);

}  // namespace kith::mesh
