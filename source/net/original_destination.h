// Where a redirected connection was going before it was redirected.
// Threads: any. Owns: nothing.
// Errors: an address of AF_UNSPEC when the kernel knows of no redirection.
#pragma once

#include "source/base/socket_address.h"

namespace kith::net {

// Asks connection tracking (SO_ORIGINAL_DST), in the family that the peer speaks: a connection over
// IPv4 may have come through a listener for both.
base::SocketAddress OriginalDestination(int descriptor, int peer_family);

}  // namespace kith::net
