// decisions: the time of one, by the number of rules, where a rule matches and where none does:
//   bazel run -c opt //test/policy:decide_bench
// Principals and paths are a mixture of exact, prefix and suffix values; every decision is timed by
// itself, so that a figure includes reading the clock twice. The request is in the cache, as one is
// that has just been parsed; the rules are where the decisions before have left them.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "source/base/spiffe_id.h"
#include "source/policy/policy_set.h"
#include "test/policy/policy_text.h"

namespace kith::policy {
namespace {

using Clock = std::chrono::steady_clock;

std::string Principal(int i) {
  switch (i % 5) {
    case 0:
      return absl::StrCat("cluster.local/ns/team-", i % 97, "/*");
    case 1:
      return absl::StrCat("*/sa/client-", i);
    default:
      return absl::StrCat("cluster.local/ns/team-", i % 97, "/sa/client-", i);
  }
}

std::string Path(int i) {
  switch (i % 4) {
    case 0:
      return absl::StrCat("/api/v", i % 13, "/items-", i, "/*");
    case 1:
      return absl::StrCat("*/report-", i, ".pdf");
    default:
      return absl::StrCat("/api/v", i % 13, "/items-", i);
  }
}

std::shared_ptr<const PolicySet> Policies(int rules) {
  std::vector<security::v1::AuthorizationPolicy> policies;
  for (int i = 0; i < rules; ++i) {
    if (i % 500 == 0) {
      policies.push_back(PolicyOf("{}"));
      policies.back().mutable_metadata()->set_name(absl::StrCat("p", i));
    }
    auto& rule = *policies.back().mutable_spec()->add_rules();
    rule.add_from()->mutable_source()->add_principals(Principal(i));
    auto& operation = *rule.add_to()->mutable_operation();
    operation.add_paths(Path(i));
    operation.add_methods("GET");
    operation.add_methods("HEAD");
  }
  return *PolicySet::Compile(policies, {});
}

struct Question {
  base::SpiffeId peer;
  std::string path;
};

std::vector<Question> Questions(int rules, bool hit, std::mt19937& random) {
  std::vector<Question> questions;
  while (questions.size() < 4'000) {
    const int i = static_cast<int>(random() % static_cast<unsigned>(rules));
    std::string path = Path(i);
    if (path[0] == '*') path = absl::StrCat("/files/of/2026", path.substr(1));
    if (path.back() == '*') path = absl::StrCat(path.substr(0, path.size() - 1), "7");
    // Nearly: the path of another rule.
    if (!hit) path += "x";
    questions.push_back({*base::SpiffeId::Parse(absl::StrCat("spiffe://cluster.local/ns/team-",
                                                             i % 97, "/sa/client-", i)),
                         path});
  }
  return questions;
}

void Measure(int rules, bool hit) {
  const auto policies = Policies(rules);
  std::mt19937 random(1);
  const std::vector<Question> questions = Questions(rules, hit, random);
  std::vector<double> times;
  size_t allowed = 0;
  for (int round = 0; round < 50; ++round) {
    for (const Question& question : questions) {
      const Question asked = question;
      Request request;
      request.kind = Request::Kind::kHttp;
      request.peer = &asked.peer;
      request.method = "GET";
      request.path = asked.path;
      const Clock::time_point begin = Clock::now();
      const Decision decision = policies->Decide(request);
      const Clock::time_point end = Clock::now();
      allowed += decision.allowed;
      times.push_back(std::chrono::duration<double, std::nano>(end - begin).count());
    }
  }
  std::sort(times.begin(), times.end());
  const auto at = [&](double part) {
    return times[static_cast<size_t>(part * static_cast<double>(times.size() - 1))];
  };
  std::printf("decisions  %6d rules  %-4s  p50 %6.0f ns  p99 %6.0f ns  %5.1f %% allowed\n", rules,
              hit ? "hit" : "miss", at(0.5), at(0.99),
              100.0 * static_cast<double>(allowed) / static_cast<double>(times.size()));
}

}  // namespace
}  // namespace kith::policy

int main() {
  for (const int rules : {10, 1'000, 10'000}) {
    kith::policy::Measure(rules, true);
    kith::policy::Measure(rules, false);
  }
}
