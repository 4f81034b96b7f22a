// What this process asks of the kernel before anything else.
// Threads: main's, before others start. Owns: nothing. Errors: none; what is refused is left as it
// is.
#pragma once

namespace kith::base {

// No core dumps, and no ptrace by others of the same user: private keys are in memory.
void KeepMemoryPrivate();
// As many descriptors as are allowed: a connection takes two.
void RaiseDescriptorLimit();

}  // namespace kith::base
