#include "source/sidecar/crl_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/support/run_until.h"
#include "test/support/temporary_crl.h"
#include "test/support/temporary_directory.h"

namespace kith::sidecar {
namespace {

class CrlFilesTest : public testing::Test {
 protected:
  CrlFiles::Options Options() {
    return {.files = {directory_.File("a.crl")},
            .use =
                [this](tls::Crls crls) {
                  used_.push_back(crls.empty() ? 0 : crls[0]->size());
                  return absl::OkStatus();
                },
            .metrics = &shard_};
  }
  void Publish(std::vector<test::Credential> revoked) {
    directory_.Write("a.crl",
                     test::CrlPem(test::MakeCrl(ca_.root(), {.revoked = std::move(revoked)})));
  }

  const std::unique_ptr<event::Loop> loop_ = *event::Loop::Create();
  telemetry::Metrics metrics_;
  telemetry::Shard& shard_ = metrics_.AddShard();
  test::TemporaryDirectory directory_;
  const test::TemporaryCa ca_;
  std::vector<size_t> used_;  // Entries of the first list, each time lists were taken.
};

TEST_F(CrlFilesTest, ReadsListsAgainWhenTheyChangeAndKeepsThemWhenTheyBreak) {
  Publish({});
  const auto files = CrlFiles::Create(*loop_, Options());
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_EQ(used_, std::vector<size_t>{0});
  Publish({ca_.root()});
  ASSERT_TRUE(test::RunUntil(*loop_, [&] { return used_.size() == 2; }));
  EXPECT_EQ(used_.back(), 1u);
  directory_.Write("a.crl", "broken");
  ASSERT_TRUE(test::RunUntil(*loop_, [&] {
    return metrics_.Text().find("kith_revocation_file_reads_total{result=\"failed\"} 1") !=
           std::string::npos;
  }));
  EXPECT_EQ(used_.size(), 2u);
}

TEST_F(CrlFilesTest, RefusesToStartWithAFileItCannotRead) {
  EXPECT_FALSE(CrlFiles::Create(*loop_, Options()).ok());
  directory_.Write("a.crl", "no list");
  EXPECT_FALSE(CrlFiles::Create(*loop_, Options()).ok());
}

}  // namespace
}  // namespace kith::sidecar
