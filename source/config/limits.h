// What a configuration file may ask of its reader's memory and time.
// Threads: plain values. Owns: nothing. Errors: none.
#pragma once

#include <cstddef>

namespace kith::config {

struct Limits {
  size_t bytes = 1 << 20;
  int depth = 64;          // Of nesting, aliases followed.
  size_t nodes = 200'000;  // In a file, each use of an alias counted.
  size_t documents = 1'000;
};

}  // namespace kith::config
