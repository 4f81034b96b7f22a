// Chooses the endpoint for a connection or request, as the service's traffic policy says:
//   least request    of two drawn at random, by weight, the one with fewer active requests for its
//                    weight: close to the least loaded of all without looking at all, and without
//                    the herd that the least loaded would attract
//   random           one draw by weight
//   round robin      one after another, each as often in a row as its weight says
//   consistent hash  the highest of the endpoints' weighted scores for the key (rendezvous
//   hashing):
//                    an endpoint that comes or goes moves only its own share of the keys
// Threads: any, pure; runs the callbacks on the caller's. Owns: nothing, allocates nothing.
// Errors: kNoEndpoint when none is left.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
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
  // Indices that are not to be chosen: tried already for this request, or ejected.
  absl::Span<const size_t> avoid = {};
  Balancer balancer = Balancer::kLeastRequest;
  uint64_t turn = 0;  // Of round robin: grows by one with each choice.
  // Of consistent hash: Hash() of the key. Without one, least request chooses.
  absl::optional<uint64_t> key = {};
};

// The index of an endpoint. While nothing is active, least request and random choose each in
// proportion to its weight.
size_t ChooseEndpoint(const ChooseInputs& inputs);

// The same in every sidecar, so that all send a key to the same endpoint.
uint64_t Hash(absl::string_view key);

}  // namespace kith::mesh
