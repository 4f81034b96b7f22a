// What this process asks of the kernel before anything else.
// Threads: main's, before others start; ReleaseProgramPages() any, at any time. Owns: nothing.
// Errors: none; what is refused is left as it is.
#pragma once

namespace kith::base {

// No core dumps, and no ptrace by others of the same user: private keys are in memory.
void KeepMemoryPrivate();
// As many descriptors as are allowed: a connection takes two.
void RaiseDescriptorLimit();

// Lets go of the code and constants of the program and its libraries that are in memory. What is
// still in use comes back from the page cache by itself, in milliseconds; what was needed only
// once, such as to start, does not.
void ReleaseProgramPages();

}  // namespace kith::base
