#include "source/controlplane/registry/directory_registry.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

#include "absl/strings/str_cat.h"
#include "test/support/run_until.h"
#include "test/support/temporary_directory.h"

namespace kith::controlplane {
namespace {

std::string Policy(const std::string& name) {
  return absl::StrCat(
      "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: ", name,
      "}\nspec: {}\n");
}

class DirectoryRegistryTest : public testing::Test {
 protected:
  absl::Status Start() {
    DirectoryRegistry::Options options{.directory = mesh_.path(),
                                       .last_good_file = state_.File("last-good.json"),
                                       .policy = {},
                                       .watch = {.quiet = absl::Milliseconds(10),
                                                 .longest = absl::Milliseconds(50),
                                                 .poll = absl::Milliseconds(200)}};
    auto registry = DirectoryRegistry::Create(*loop_, std::move(options), [this](bool changed) {
      ++reloads_;
      changes_ += changed ? 1 : 0;
    });
    if (registry.ok()) registry_ = *std::move(registry);
    return registry.status();
  }
  bool AwaitChange(int changes) {
    return test::RunUntil(*loop_, [&] { return changes_ >= changes; });
  }
  size_t policies() const { return registry_->state()->authorization_policies.size(); }

  std::unique_ptr<event::Loop> loop_ = *event::Loop::Create();
  test::TemporaryDirectory mesh_;
  test::TemporaryDirectory state_;
  int reloads_ = 0;
  int changes_ = 0;
  std::unique_ptr<DirectoryRegistry> registry_;
};

TEST_F(DirectoryRegistryTest, ReadsTheDirectoryBeforeItIsThere) {
  mesh_.Write("a.yaml", Policy("a"));
  mesh_.Write("b.yml", Policy("b"));
  mesh_.Write("c.json", R"({"apiVersion": "networking.istio.io/v1", "kind": "WorkloadEntry",
                            "metadata": {"name": "c"}, "spec": {"address": "10.0.0.1"}})");
  mesh_.Write("notes.txt", "not for us");
  mesh_.Write(".hidden.yaml", "{");
  mesh_.Write("folder/d.yaml", Policy("d"));
  ASSERT_TRUE(Start().ok());
  EXPECT_EQ(policies(), 2u);
  EXPECT_EQ(registry_->reports().size(), 3u);
  EXPECT_EQ(registry_->Kinds().at("WorkloadEntry"), 1);
}

TEST_F(DirectoryRegistryTest, FollowsChangesAndRemovals) {
  mesh_.Write("a.yaml", Policy("a"));
  ASSERT_TRUE(Start().ok());
  mesh_.Write("b.yaml", Policy("b"));
  ASSERT_TRUE(AwaitChange(1));
  EXPECT_EQ(policies(), 2u);
  std::remove(mesh_.File("a.yaml").c_str());
  ASSERT_TRUE(AwaitChange(2));
  EXPECT_EQ(policies(), 1u);
}

TEST_F(DirectoryRegistryTest, ReportsABrokenFileAndKeepsItsLastGood) {
  mesh_.Write("a.yaml", Policy("a"));
  ASSERT_TRUE(Start().ok());
  mesh_.Write("a.yaml", "rules: [");
  ASSERT_TRUE(test::RunUntil(*loop_, [&] { return !registry_->reports()[0].status.ok(); }));
  EXPECT_EQ(policies(), 1u);
  EXPECT_EQ(changes_, 0);
}

TEST_F(DirectoryRegistryTest, KeepsEverythingWhileTheDirectoryIsAway) {
  mesh_.Write("a.yaml", Policy("a"));
  ASSERT_TRUE(Start().ok());
  const std::string away = mesh_.path() + ".away";
  ASSERT_EQ(rename(mesh_.path().c_str(), away.c_str()), 0);
  ASSERT_TRUE(test::RunUntil(*loop_, [&] { return !registry_->directory_error().ok(); }));
  EXPECT_EQ(policies(), 1u);
  ASSERT_EQ(rename(away.c_str(), mesh_.path().c_str()), 0);
  EXPECT_TRUE(test::RunUntil(*loop_, [&] { return registry_->directory_error().ok(); }));
  EXPECT_EQ(policies(), 1u);
}

TEST_F(DirectoryRegistryTest, RefusesAFirstStartWithABrokenFile) {
  mesh_.Write("a.yaml", Policy("a"));
  mesh_.Write("deny.yaml", "kind: AuthorizationPolicy\nspec: [\n");
  const absl::Status status = Start();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("deny.yaml"), std::string::npos) << status;
}

TEST_F(DirectoryRegistryTest, RefusesADirectoryThatIsNotThere) {
  rmdir(mesh_.path().c_str());
  const absl::Status status = Start();
  EXPECT_NE(status.message().find(mesh_.path()), std::string::npos) << status;
  mkdir(mesh_.path().c_str(), 0700);
}

TEST_F(DirectoryRegistryTest, StartsAgainWithTheLastGoodOfABrokenFile) {
  mesh_.Write("a.yaml", Policy("a"));
  ASSERT_TRUE(Start().ok());
  registry_.reset();
  mesh_.Write("a.yaml", "{");
  ASSERT_TRUE(Start().ok());
  EXPECT_EQ(policies(), 1u);
  EXPECT_TRUE(registry_->reports()[0].has_last_good);
}

TEST_F(DirectoryRegistryTest, StartsAgainWithAFileThatWasNeverGood) {
  mesh_.Write("a.yaml", Policy("a"));
  ASSERT_TRUE(Start().ok());
  registry_.reset();
  mesh_.Write("new.yaml", "{");  // While running, it would only have been reported.
  ASSERT_TRUE(Start().ok());
  EXPECT_EQ(policies(), 1u);
}

TEST_F(DirectoryRegistryTest, KeepsTheNewestGoodForTheNextStart) {
  mesh_.Write("a.yaml", Policy("a"));
  ASSERT_TRUE(Start().ok());
  mesh_.Write("a.yaml", Policy("a") + "---\n" + Policy("a2"));
  ASSERT_TRUE(AwaitChange(1));
  registry_.reset();
  mesh_.Write("a.yaml", "{");
  ASSERT_TRUE(Start().ok());
  EXPECT_EQ(policies(), 2u);
}

TEST_F(DirectoryRegistryTest, TakesASpoiltRecordOfLastGoodForNone) {
  mesh_.Write("a.yaml", Policy("a"));
  ASSERT_TRUE(Start().ok());
  registry_.reset();
  state_.Write("last-good.json", "{\"directory\": 7");
  ASSERT_TRUE(Start().ok()) << "all files are good";
  registry_.reset();
  state_.Write("last-good.json", "{\"directory\": 7");
  mesh_.Write("a.yaml", "{");
  EXPECT_FALSE(Start().ok());
}

}  // namespace
}  // namespace kith::controlplane
