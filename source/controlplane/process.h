// What this process asks of the kernel before anything else.
// Threads: main's, before others start. Owns: nothing. Errors: none; what is refused is left as it
// is.
#pragma once

namespace kith::controlplane {

// No core dumps and no ptrace by others of the same user: the signing key is in memory.
void KeepMemoryPrivate();
// As many descriptors as are allowed: every sidecar holds one.
void RaiseDescriptorLimit();

}  // namespace kith::controlplane
