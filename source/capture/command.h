// The command `kith-sidecar capture apply|remove|check|print`.
// Threads: main's. Owns: nothing. Errors: printed; the exit code says which kind: 0 done, 1 failed
// (check: capture does not work), 64 wrong usage.
#pragma once

namespace kith::capture {

// `argv[0]` is "capture".
int RunCommand(int argc, char** argv);

}  // namespace kith::capture
