// The files behind every TlsOrigination of the snapshot, as handshakes need them.
// Threads: immutable; shared by every worker. Owns: the TLS contexts. Errors: of a file that cannot
// be used, as text: whoever dials says it.
#pragma once

#include <memory>
#include <string>

#include "absl/container/btree_map.h"
#include "source/mesh/tls_origination.h"
#include "source/tls/upstream_context.h"

namespace kith::proxy {

struct Origination {
  std::shared_ptr<const tls::UpstreamContext> context;  // Null while nothing usable was read.
  std::string error;                                    // Why it is null.
};

// A new object wherever a file has changed, so that connections made with the old one are retired.
using Originations = absl::btree_map<mesh::TlsOrigination, std::shared_ptr<const Origination>>;

}  // namespace kith::proxy
