// What handshake tests are made of: a CA, a clock that stands still, and contexts of workloads.
// Threads: the test's. Owns: all of it. Errors: of making them end the test.
#pragma once

#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "source/tls/context.h"
#include "test/support/manual_clock.h"
#include "test/support/temporary_ca.h"

namespace kith::tls {

inline constexpr char kFrontend[] = "spiffe://cluster.local/ns/shop/sa/frontend";
inline constexpr char kBackend[] = "spiffe://cluster.local/ns/shop/sa/backend";

base::SpiffeId Id(absl::string_view text);

struct Mesh {
  explicit Mesh(absl::string_view name = "ours");

  // A workload with a good certificate of this mesh, which trusts `roots` (by default this mesh's).
  std::shared_ptr<const Context> Workload(absl::string_view id,
                                          MinVersion min_version = MinVersion::kTls13,
                                          const std::string& roots = "") const;
  std::shared_ptr<const Context> WorkloadWith(const test::Credential& credential,
                                              MinVersion min_version = MinVersion::kTls13,
                                              const std::string& roots = "") const;

  test::ManualClock clock;
  test::TemporaryCa ca;
};

}  // namespace kith::tls
