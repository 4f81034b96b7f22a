#include "source/ctl/authz_commands.h"

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "nlohmann/json.hpp"
#include "source/base/status.h"
#include "source/config/document.h"
#include "source/ctl/authz_explain.h"
#include "source/ctl/authz_lint.h"
#include "source/ctl/authz_options.h"
#include "source/ctl/authz_replay.h"
#include "source/ctl/authz_suggest.h"
#include "source/ctl/authz_suite.h"
#include "source/ctl/debug_headers.h"
#include "source/ctl/strict_readiness.h"

namespace kith::ctl {
namespace {

using nlohmann::json;

constexpr char kTestFooter[] = R"(Examples:
  kithctl authz test suite.yaml                   policies written in the suite
  kithctl authz test suite.yaml -f policies/      the policies of a folder too
  kithctl authz test suites/*.yaml -o junit       for continuous integration

Exit codes: 0 every case passed, 1 some failed, 65 a suite or its policies cannot be read.
docs/authorization-tests.md describes suites.)";

struct TestOptions {
  std::vector<std::string> suites;
  std::vector<std::string> policies;
};

std::string Xml(absl::string_view text) {
  return absl::StrReplaceAll(
      text, {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}, {"\n", "&#10;"}});
}

std::string Line(const CaseResult& result) {
  return absl::StrCat("expected ", result.expected, ", got ", result.got, ": ", result.explanation);
}

void PrintJunit(const std::vector<CaseResult>& results, int failed) {
  std::cout
      << "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite name=\"authz\" "
      << "tests=\"" << results.size() << "\" failures=\"" << failed << "\">\n";
  for (const CaseResult& result : results) {
    std::cout << "<testcase classname=\"" << Xml(result.suite) << "\" name=\"" << Xml(result.name)
              << "\">";
    if (!result.passed) std::cout << "<failure message=\"" << Xml(Line(result)) << "\"/>";
    std::cout << "</testcase>\n";
  }
  std::cout << "</testsuite>\n</testsuites>\n";
}

void PrintJson(const std::vector<CaseResult>& results, int failed) {
  json cases = json::array();
  for (const CaseResult& result : results) {
    cases.push_back({{"suite", result.suite},
                     {"name", result.name},
                     {"passed", result.passed},
                     {"expected", result.expected},
                     {"got", result.got},
                     {"explanation", result.explanation}});
  }
  const int passed = static_cast<int>(results.size()) - failed;
  const json all = {{"cases", std::move(cases)}, {"passed", passed}, {"failed", failed}};
  std::cout << all.dump(2, ' ', false, json::error_handler_t::replace) << "\n";
}

void Print(const std::vector<CaseResult>& results, int failed, Output output) {
  if (output == Output::kJunit) return PrintJunit(results, failed);
  if (output == Output::kJson) return PrintJson(results, failed);
  for (const CaseResult& result : results) {
    if (result.passed) continue;
    std::cout << "FAIL " << result.suite << ": " << result.name << ": " << Line(result) << "\n";
  }
  std::cout << results.size() - static_cast<size_t>(failed) << " passed, " << failed << " failed\n";
}

absl::StatusOr<int> RunTests(const TestOptions& options, Output output) {
  KITH_ASSIGN_OR_RETURN(const std::vector<config::Document> policies,
                        ReadDocuments(options.policies));
  std::vector<CaseResult> results;
  bool unreadable = false;
  for (const std::string& path : options.suites) {
    const auto text = config::ReadFile(path);
    if (!text.ok()) return absl::InvalidArgumentError(text.status().message());
    auto suites = RunSuites(*text, path, policies);
    if (!suites.ok()) {
      std::cerr << "kithctl: " << suites.status().message() << "\n";
      unreadable = true;
      continue;
    }
    for (SuiteResult& suite : *suites) {
      unreadable |= suite.unreadable;
      std::move(suite.cases.begin(), suite.cases.end(), std::back_inserter(results));
    }
  }
  const auto failed = static_cast<int>(std::count_if(
      results.begin(), results.end(), [](const CaseResult& result) { return !result.passed; }));
  Print(results, failed, output);
  if (unreadable) return kBadData;
  return failed > 0 ? kNo : EXIT_SUCCESS;
}

}  // namespace

void AddAuthzCommands(CLI::App& app, CommandLine& line) {
  CLI::App* authz = app.add_subcommand("authz", "Authorization policies, tried out offline");
  authz->require_subcommand(1);
  auto options = std::make_shared<TestOptions>();
  CLI::App* test = authz->add_subcommand("test", "Run tests of policies");
  test->footer(kTestFooter);
  test->add_option("SUITE", options->suites, "Files of test suites")->required();
  test->add_option("-f,--file", options->policies,
                   "A file or folder of policies, for every suite beside its own")
      ->type_name("FILE|DIR");
  test->callback([&line, options] {
    line.run = [options](Output output) { return RunTests(*options, output); };
  });
  AddExplainCommand(*authz, line);
  AddLintCommand(*authz, line);
  AddReplayCommand(*authz, line);
  AddSuggestCommand(*authz, line);
  AddDebugHeadersCommands(*authz, line);
  AddStrictReadinessCommand(app, line);
}

}  // namespace kith::ctl
