// Asks PolicySet and the oracle the same random questions until they differ:
//   bazel run -c opt //test/policy:oracle_main -- QUESTIONS [SEED]
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "test/policy/generator.h"

int main(int argc, char** argv) {
  using namespace kith;
  const long wanted = argc > 1 ? std::atol(argv[1]) : 10'000'000;
  policy::Generator generator(argc > 2 ? static_cast<uint64_t>(std::atoll(argv[2])) : 1);
  long asked = 0;
  while (asked < wanted) {
    const std::vector<security::v1::AuthorizationPolicy> policies = generator.Policies();
    const policy::PolicySet::Options options = generator.Options();
    const auto compiled = policy::PolicySet::Compile(policies, options);
    if (!compiled.ok()) {
      std::fprintf(stderr, "%s\n", compiled.status().ToString().c_str());
      return EXIT_FAILURE;
    }
    for (int i = 0; i < 100; ++i, ++asked) {
      policy::OracleAnswer answer;
      const std::string difference =
          Disagreement(**compiled, policies, options, generator.Request(), answer);
      if (difference.empty()) continue;
      std::fprintf(stderr, "after %ld questions, %s\n", asked, difference.c_str());
      return EXIT_FAILURE;
    }
  }
  std::printf("%ld questions, no difference\n", asked);
  return EXIT_SUCCESS;
}
