// The same pods as the webhook's integration test: what holds for every shape.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "source/config/document.h"
#include "source/inject/inject.h"
#include "source/inject/json_patch.h"
#include "source/inject/manifest.h"
#include "source/inject/workloads.h"

namespace kith::inject {
namespace {

constexpr char kCorpus[] = "test/inject/corpus";

Options TestOptions() {
  v1::InjectionConfig config;
  config.set_image("kith:test");
  return *Options::From(config);
}

class CorpusTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    auto text = config::ReadFile(absl::StrCat(kCorpus, "/", GetParam(), ".yaml"));
    ASSERT_TRUE(text.ok()) << text.status();
    auto parts = ParseManifest(*text, GetParam());
    ASSERT_TRUE(parts.ok()) << parts.status();
    parts_ = *std::move(parts);
  }

  std::vector<ManifestPart> parts_;
};

std::vector<std::string> Names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kCorpus)) {
    names.push_back(entry.path().stem());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string TestName(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Shapes, CorpusTest, testing::ValuesIn(Names()), TestName);

TEST_P(CorpusTest, GivesTheSameBySayingItTwice) {
  for (ManifestPart& part : parts_) {
    InjectInto(part.object, "demo", TestOptions());
    Json again = part.object;
    InjectInto(again, "demo", TestOptions());
    EXPECT_EQ(Canonical(again), Canonical(part.object));
    EXPECT_EQ(MakePatch(part.object, again), Json::array());
  }
}

TEST_P(CorpusTest, GivesThePodBackWhenTheSidecarIsTakenOut) {
  for (ManifestPart& part : parts_) {
    const Json before = part.object;
    InjectInto(part.object, "demo", TestOptions());
    UninjectFrom(part.object);
    // Null and absent are the same to Kubernetes; what had to be made is gone again.
    Json expected = before;
    for (const char* field : {"labels", "annotations"}) {
      if (expected.contains("metadata") && expected["metadata"].contains(field) &&
          expected["metadata"][field].is_null() && !part.object["metadata"].contains(field)) {
        expected["metadata"].erase(field);
      }
    }
    for (const char* field : {"initContainers", "volumes"}) {
      if (expected.contains("spec") && expected["spec"].contains(field) &&
          expected["spec"][field].is_null() && !part.object["spec"].contains(field)) {
        expected["spec"].erase(field);
      }
    }
    EXPECT_EQ(Canonical(part.object), Canonical(expected));
  }
}

TEST_P(CorpusTest, HasAPatchThatGivesThePod) {
  for (ManifestPart& part : parts_) {
    const Json before = part.object;
    InjectInto(part.object, "demo", TestOptions());
    EXPECT_EQ(Canonical(before.patch(MakePatch(before, part.object))), Canonical(part.object));
  }
}

TEST_P(CorpusTest, IsReadFromYamlAsItWasWritten) {
  for (ManifestPart& part : parts_) {
    InjectInto(part.object, "demo", TestOptions());
    auto again = ParseManifest(part.Rewritten(), "rewritten");
    ASSERT_TRUE(again.ok()) << again.status() << "\n" << part.Rewritten();
    EXPECT_EQ(Canonical((*again)[0].object), Canonical(part.object)) << part.Rewritten();
  }
}

TEST(CorpusVerdictTest, RefusesAndSkipsWhatItShould) {
  using Kind = Verdict::Kind;
  const std::map<std::string, std::pair<Kind, std::string>> expected = {
      {"host-network", {Kind::kSkipped, "hostNetwork"}},
      {"opt-out-label", {Kind::kSkipped, "label sidecar.istio.io/inject=false"}},
      {"opt-out-annotation", {Kind::kSkipped, "annotation linkerd.io/inject=disabled"}},
      {"windows-selector", {Kind::kSkipped, "Windows"}},
      {"windows-os", {Kind::kSkipped, "Windows"}},
      {"with-istio", {Kind::kRefused, "a sidecar of Istio"}},
      {"with-linkerd", {Kind::kRefused, "a sidecar of Linkerd"}},
      {"name-taken", {Kind::kRefused, "container kith-sidecar that Kith did not inject"}},
      {"volume-taken", {Kind::kRefused, "volume kith-run"}},
      {"user-taken", {Kind::kRefused, "container app runs as user 1337"}},
      {"pod-user-taken", {Kind::kRefused, "spec.securityContext.runAsUser is 1337"}},
      {"port-taken", {Kind::kRefused, "port 15001"}},
      {"tproxy", {Kind::kRefused, "TPROXY"}},
      {"bad-quantity", {Kind::kRefused, "sidecar.istio.io/proxyCPU: \"much\""}},
      {"bad-ports", {Kind::kRefused, "excludeInboundPorts"}},
      {"bad-range", {Kind::kRefused, "skip-inbound-ports"}},
      {"bad-boolean", {Kind::kRefused, "nativeSidecar: \"maybe\""}},
  };
  std::set<std::string> seen;
  for (const std::string& name : Names()) {
    auto parts = ParseManifest(*config::ReadFile(absl::StrCat(kCorpus, "/", name, ".yaml")), name);
    ASSERT_TRUE(parts.ok()) << parts.status();
    const std::vector<Report> reports = InjectInto((*parts)[0].object, "demo", TestOptions());
    const auto verdict = expected.find(name);
    if (verdict == expected.end()) {
      for (const Report& report : reports) {
        if (report.object == "Pod two") continue;  // Of the list: on the host's network.
        EXPECT_EQ(report.kind, Kind::kInjected) << name << ": " << report.reason;
      }
      continue;
    }
    seen.insert(name);
    ASSERT_EQ(reports.size(), 1) << name;
    EXPECT_EQ(reports[0].kind, verdict->second.first) << name << reports[0].reason;
    EXPECT_NE(reports[0].reason.find(verdict->second.second), std::string::npos)
        << name << ": " << reports[0].reason;
  }
  EXPECT_EQ(seen.size(), expected.size());
  EXPECT_GE(Names().size(), 40);
}

}  // namespace
}  // namespace kith::inject
