#include "source/controlplane/registry/file_set.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace kith::controlplane {
namespace {

std::string Policy(const std::string& name) {
  return absl::StrCat(
      "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: ", name,
      "}\nspec: {}\n---\n");
}

// Anybody may define any host outside the cluster's domain.
std::string Entry(const std::string& name, const std::string& host, const std::string& ip) {
  return absl::StrCat(
      "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: ", name,
      "}\nspec: {hosts: [", host, "], resolution: STATIC, endpoints: [{address: ", ip,
      "}], ports: [{number: 80, name: http, protocol: HTTP}]}\n---\n");
}

class FileSetTest : public testing::Test {
 protected:
  bool Apply(std::map<std::string, std::string> texts) {
    FileSet::Files files;
    for (auto& [name, text] : texts) files.emplace(name, text);
    return set_.Apply(files);
  }
  std::string ErrorOf(const std::string& file) const {
    for (const FileReport& report : set_.reports()) {
      if (report.file == file) return std::string(report.status.message());
    }
    return "no such file";
  }
  size_t policies() const { return set_.state()->authorization_policies.size(); }
  std::string IpOf(const std::string& host) const {
    const auto found = set_.state()->services.find(host);
    return found == set_.state()->services.end() ? "" : found->second.endpoints[0].ip;
  }

  FileSet set_{{}};
};

TEST_F(FileSetTest, TakesGoodFiles) {
  EXPECT_TRUE(Apply({{"a.yaml", Policy("a")}, {"b.yaml", Policy("b")}}));
  EXPECT_EQ(policies(), 2u);
  EXPECT_EQ(set_.Kinds().at("AuthorizationPolicy"), 2);
  EXPECT_EQ(ErrorOf("a.yaml"), "");
}

TEST_F(FileSetTest, ReportsNoChangeWhenThereIsNone) {
  EXPECT_TRUE(Apply({{"a.yaml", Policy("a")}}));
  const auto before = set_.state();
  EXPECT_FALSE(Apply({{"a.yaml", Policy("a")}}));
  EXPECT_EQ(set_.state(), before);
}

TEST_F(FileSetTest, KeepsTheLastGoodOfABadFileWhileOthersChange) {
  Apply({{"a.yaml", Policy("a")}, {"b.yaml", Policy("b")}});
  EXPECT_TRUE(Apply({{"a.yaml", "{"}, {"b.yaml", Policy("b") + Policy("b2")}}));
  EXPECT_EQ(policies(), 3u);
  EXPECT_NE(ErrorOf("a.yaml"), "");
  EXPECT_TRUE(set_.reports()[0].has_last_good);
  EXPECT_TRUE(Apply({{"a.yaml", Policy("a") + Policy("a2")}, {"b.yaml", Policy("b")}}));
  EXPECT_EQ(policies(), 3u);
  EXPECT_EQ(ErrorOf("a.yaml"), "");
}

TEST_F(FileSetTest, TakesNothingOfAPartlyBadFile) {
  Apply({{"a.yaml", Policy("a") + "kind: Nonsense\n"}});
  EXPECT_EQ(policies(), 0u);
  EXPECT_FALSE(set_.reports()[0].has_last_good);
}

TEST_F(FileSetTest, KeepsTheLastGoodOfAFileThatCannotBeRead) {
  Apply({{"a.yaml", Policy("a")}});
  FileSet::Files files;
  files.emplace("a.yaml", absl::PermissionDeniedError("a.yaml: permission denied"));
  EXPECT_FALSE(set_.Apply(files));
  EXPECT_EQ(policies(), 1u);
  EXPECT_EQ(ErrorOf("a.yaml"), "a.yaml: permission denied");
}

TEST_F(FileSetTest, TakesAnEmptiedFileForAMistake) {
  Apply({{"a.yaml", Policy("a")}});
  EXPECT_FALSE(Apply({{"a.yaml", ""}}));
  EXPECT_EQ(policies(), 1u);
}

TEST_F(FileSetTest, DropsWhatARemovedFileSaid) {
  Apply({{"a.yaml", Policy("a")}, {"b.yaml", Policy("b")}});
  EXPECT_TRUE(Apply({{"b.yaml", Policy("b")}}));
  EXPECT_EQ(policies(), 1u);
  EXPECT_EQ(set_.reports().size(), 1u);
}

TEST_F(FileSetTest, RefusesTheLaterFileOfTwoThatNameTheSame) {
  Apply({{"a.yaml", Policy("x")}, {"b.yaml", Policy("x")}});
  EXPECT_EQ(policies(), 1u);
  EXPECT_EQ(ErrorOf("a.yaml"), "");
  EXPECT_NE(ErrorOf("b.yaml").find("AuthorizationPolicy default/x is defined already, in a.yaml"),
            std::string::npos)
      << ErrorOf("b.yaml");
}

TEST_F(FileSetTest, LetsNoNewFileTakeAHostThatIsInForce) {
  Apply({{"z.yaml", Entry("z", "db.example", "10.0.0.1")}});
  EXPECT_FALSE(Apply({{"a.yaml", Entry("a", "db.example", "10.6.6.6")},
                      {"z.yaml", Entry("z", "db.example", "10.0.0.1")}}));
  EXPECT_EQ(IpOf("db.example"), "10.0.0.1");
  EXPECT_NE(ErrorOf("a.yaml").find("host db.example is defined already, in z.yaml"),
            std::string::npos)
      << ErrorOf("a.yaml");
  EXPECT_EQ(ErrorOf("z.yaml"), "");
}

TEST_F(FileSetTest, MovesDocumentsBetweenFilesThatChangeTogether) {
  Apply({{"a.yaml", Policy("x")}, {"b.yaml", Policy("y")}});
  EXPECT_TRUE(Apply({{"a.yaml", Policy("y")}, {"b.yaml", Policy("x")}}));
  EXPECT_EQ(ErrorOf("a.yaml"), "");
  EXPECT_EQ(ErrorOf("b.yaml"), "");
  EXPECT_TRUE(Apply({{"c.yaml", Policy("x") + Policy("y")}}));
  EXPECT_EQ(policies(), 2u);
}

TEST_F(FileSetTest, NeverPutsContradictionsIntoForceWhenAMoveHalfFails) {
  Apply({{"a.yaml", Policy("x")}, {"b.yaml", Policy("y")}});
  // y moves from b to a, but b is broken and keeps its y: a cannot have it.
  Apply({{"a.yaml", Policy("x") + Policy("y")}, {"b.yaml", "{"}});
  EXPECT_EQ(policies(), 2u);
  EXPECT_NE(ErrorOf("a.yaml").find("default/y is defined already, in b.yaml"), std::string::npos);
  // c loses x to a's earlier contents only because a loses y to b's.
  Apply({{"a.yaml", Policy("y")}, {"b.yaml", "{"}, {"c.yaml", Policy("x")}});
  EXPECT_EQ(policies(), 2u);
  EXPECT_NE(ErrorOf("c.yaml").find("default/x is defined already, in a.yaml"), std::string::npos);
}

TEST_F(FileSetTest, RefusesASecondPeerAuthenticationOfOneLevel) {
  const auto authentication = [](const std::string& name, const std::string& created) {
    return absl::StrCat(
        "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: ", name,
        created.empty() ? "" : absl::StrCat(", creationTimestamp: \"", created, "\""),
        "}\nspec: {mtls: {mode: STRICT}}\n");
  };
  Apply({{"a.yaml", authentication("a", "")}, {"b.yaml", authentication("b", "")}});
  EXPECT_NE(ErrorOf("b.yaml"), "");
  Apply({{"a.yaml", authentication("a", "2026-01-01T00:00:00Z")},
         {"b.yaml", authentication("b", "2026-01-02T00:00:00Z")}});
  EXPECT_EQ(ErrorOf("b.yaml"), "");
}

TEST_F(FileSetTest, RestoresWhatWasInForce) {
  Apply({{"a.yaml", Policy("a")}, {"b.yaml", Policy("b")}});
  FileSet restored({});
  EXPECT_TRUE(restored.Restore(set_.InForce()).empty());
  EXPECT_EQ(restored.state()->authorization_policies.size(), 2u);
  FileSet::Files files;
  files.emplace("a.yaml", std::string("{"));
  restored.Apply(files);
  EXPECT_EQ(restored.state()->authorization_policies.size(), 1u);
  EXPECT_TRUE(restored.reports()[0].has_last_good);
}

TEST_F(FileSetTest, NamesWhatItCannotRestore) {
  FileSet restored({});
  const auto lost = restored.Restore({{"a.yaml", Policy("a")}, {"b.yaml", "{"}});
  ASSERT_EQ(lost.size(), 1u);
  EXPECT_EQ(lost[0].file, "b.yaml");
}

}  // namespace
}  // namespace kith::controlplane
