#include "test/support/fuzz_driver.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

namespace {

using Input = std::vector<uint8_t>;

// Pieces that parsers of text protocols and of length-prefixed binary trip over.
const char* const kTokens[] = {"\r\n",
                               "\n",
                               "\r",
                               "\r\n\r\n",
                               " ",
                               "\t",
                               ":",
                               ";",
                               ",",
                               "/",
                               "//",
                               "/../",
                               "/./",
                               "..;",
                               "%2e",
                               "%2f",
                               "%5C",
                               "%00",
                               "%25",
                               "%",
                               "#",
                               "?",
                               "0",
                               "-1",
                               "ffff",
                               "\xff",
                               "\xc3\xa9",
                               "\x7f",
                               "Host: ",
                               "chunked",
                               "Content-Length: 5\r\n",
                               "Transfer-Encoding: chunked\r\n",
                               "18446744073709551616",
                               "spiffe://",
                               "{",
                               "}",
                               "[",
                               "]",
                               "\"",
                               "\\",
                               "- ",
                               "\x00\x00\x00\x01"};

// The input now running, for the signal handler.
const Input* g_current = nullptr;

// Leaves the input behind so that it can become a seed. Only async-signal-safe calls.
void OnCrash(int signal_number) {
  static const char kMessage[] = "\nfuzz: this input crashed the target, in hexadecimal:\n";
  (void)!write(STDERR_FILENO, kMessage, sizeof(kMessage) - 1);
  static const char kDigits[] = "0123456789abcdef";
  if (g_current != nullptr) {
    for (uint8_t byte : *g_current) {
      const char text[2] = {kDigits[byte >> 4], kDigits[byte & 15]};
      (void)!write(STDERR_FILENO, text, sizeof(text));
    }
  }
  (void)!write(STDERR_FILENO, "\n", 1);
  std::signal(signal_number, SIG_DFL);
  std::raise(signal_number);
}

// Edges between pieces of code, by a hash; filled where the code under test was compiled with
// -fsanitize-coverage=trace-pc.
struct Coverage {
  std::array<bool, size_t{1} << 20> seen;
  size_t edges;
  uintptr_t last;
};
Coverage g_coverage;

void RunOne(const Input& input) {
  g_current = &input;
  // A copy of exactly that size, so that AddressSanitizer sees a read past its end.
  const Input exact(input);
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

std::vector<Input> ReadCorpus(int count, char** folders) {
  std::vector<std::string> names;
  for (int i = 0; i < count; ++i) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folders[i])) {
      if (entry.is_regular_file()) names.push_back(entry.path().string());
    }
  }
  std::sort(names.begin(), names.end());  // Mutations are the same on every machine.
  std::vector<Input> corpus;
  for (const std::string& name : names) {
    std::ifstream file(name, std::ios::binary);
    corpus.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return corpus;
}

using Clock = std::chrono::steady_clock;

void Tell(Clock::time_point begin, uint64_t runs, size_t inputs) {
  std::printf("%5lld s  %llu runs, %zu edges, %zu inputs\n",
              static_cast<long long>(
                  std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - begin).count()),
              static_cast<unsigned long long>(runs), g_coverage.edges, inputs);
  std::fflush(stdout);
}

class Mutator {
 public:
  explicit Mutator(uint64_t seed) : random_(seed) {}

  Input Mutate(const std::vector<Input>& corpus) {
    Input input = Pick(corpus);
    for (size_t steps = 1 + Below(4); steps > 0; --steps) Step(corpus, input);
    constexpr size_t kMaxInput = size_t{64} * 1024;
    if (input.size() > kMaxInput) input.resize(kMaxInput);
    return input;
  }

 private:
  size_t Below(size_t bound) { return static_cast<size_t>(random_() % bound); }
  const Input& Pick(const std::vector<Input>& corpus) { return corpus[Below(corpus.size())]; }

  void Insert(Input& input, const uint8_t* bytes, size_t size) {
    input.insert(input.begin() + static_cast<long>(Below(input.size() + 1)), bytes, bytes + size);
  }

  void Step(const std::vector<Input>& corpus, Input& input) {
    if (input.empty()) input.push_back(0);
    const size_t at = Below(input.size());
    const size_t length = std::min(input.size() - at, 1 + Below(16));
    switch (Below(7)) {
      case 0:
        input[at] ^= static_cast<uint8_t>(1u << Below(8));
        break;
      case 1:
        input[at] = static_cast<uint8_t>(random_());
        break;
      case 2:
        input.erase(input.begin() + static_cast<long>(at),
                    input.begin() + static_cast<long>(at + length));
        break;
      case 3: {  // A piece of itself once more.
        const Input piece(input.begin() + static_cast<long>(at),
                          input.begin() + static_cast<long>(at + length));
        Insert(input, piece.data(), piece.size());
        break;
      }
      case 4: {
        const std::string token = kTokens[Below(std::size(kTokens))];
        Insert(input, reinterpret_cast<const uint8_t*>(token.data()), token.size());
        break;
      }
      case 5: {  // The beginning of this one, the end of another.
        const Input& other = Pick(corpus);
        const size_t from = Below(other.size() + 1);
        input.resize(at);
        input.insert(input.end(), other.begin() + static_cast<long>(from), other.end());
        break;
      }
      default:
        input.resize(at);
        break;
    }
  }

  std::mt19937_64 random_;
};

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

// What has led somewhere new joins the corpus, up to a number that still fits into the cache.
void FuzzFor(std::chrono::seconds time, Mutator& mutator, std::vector<Input> corpus) {
  constexpr size_t kMaxInputs = 20000;
  const Clock::time_point begin = Clock::now();
  Clock::time_point told = begin;
  uint64_t runs = 0;
  while (Clock::now() - begin < time) {
    for (int i = 0; i < 100; ++i, ++runs) {
      Input input = mutator.Mutate(corpus);
      const size_t before = g_coverage.edges;
      RunOne(input);
      if (g_coverage.edges > before && corpus.size() < kMaxInputs) {
        corpus.push_back(std::move(input));
      }
    }
    if (Clock::now() - told < std::chrono::seconds(10)) continue;
    told = Clock::now();
    Tell(begin, runs, corpus.size());
  }
  Tell(begin, runs, corpus.size());
}

}  // namespace

// Called by instrumented code at the beginning of each of its pieces.
extern "C" void __sanitizer_cov_trace_pc() {
  const auto here = reinterpret_cast<uintptr_t>(__builtin_return_address(0));
  bool& seen = g_coverage.seen[(here ^ g_coverage.last << 1) % g_coverage.seen.size()];
  g_coverage.edges += seen ? 0 : 1;
  seen = true;
  g_coverage.last = here;
}

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s CORPUS_FOLDER...\n", argv[0]);
    return 2;
  }
  const std::vector<Input> corpus = ReadCorpus(argc - 1, argv + 1);
  if (corpus.empty()) {
    std::fprintf(stderr, "fuzz: no file under %s; is the corpus among the test's data?\n", argv[1]);
    return 2;
  }
  std::signal(SIGSEGV, OnCrash);
  std::signal(SIGABRT, OnCrash);
  std::signal(SIGFPE, OnCrash);
  for (const Input& input : corpus) RunOne(input);
  Mutator mutator(FromEnvironment("KITH_FUZZ_SEED", 1));
  if (const uint64_t seconds = FromEnvironment("KITH_FUZZ_SECONDS", 0); seconds > 0) {
    FuzzFor(std::chrono::seconds(seconds), mutator, corpus);
    return 0;
  }
  const uint64_t runs = FromEnvironment("KITH_FUZZ_RUNS", 20000);
  for (uint64_t i = 0; i < runs; ++i) RunOne(mutator.Mutate(corpus));
  std::printf("%zu seeds and %llu mutations passed\n", corpus.size(),
              static_cast<unsigned long long>(runs));
  return 0;
}
