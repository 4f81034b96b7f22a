// Runs a fuzz target as an ordinary test where libFuzzer is missing (g++): every file of a corpus,
// then a bounded number of mutations of them, the same ones in every run. For a given time instead
// it is a fuzzer: under --config=fuzz inputs that reach code which none before them has reached are
// mutated further (test/fuzz.sh).
// Threads: one. Owns: nothing.
// Errors: a crash or a failed CHECK in the target aborts, after its input is printed in
// hexadecimal.
//
// Usage: TARGET CORPUS_FOLDER...
// Environment: KITH_FUZZ_RUNS (default 20000), KITH_FUZZ_SEED (default 1), KITH_FUZZ_SECONDS.
#pragma once

#include <cstddef>
#include <cstdint>

// What a fuzz target defines, here as for libFuzzer.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
