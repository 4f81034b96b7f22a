#include "source/ctl/root_rotation.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace kith::ctl {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

nlohmann::json Rotation() {
  return nlohmann::json::parse(R"({
    "phase": "reissuing", "mode": "manual", "generation": 3,
    "since": "2027-01-15T07:59:00Z", "startedAt": "2027-01-15T07:00:00Z",
    "roots": [{"keyId": "aa11", "role": "retiring", "subject": "CN=old",
               "notAfter": "2027-01-16T08:00:00Z", "lastCertificateEnds": "2027-01-15T08:30:00Z"}],
    "waitsFor": ["the end of the last certificate of root aa11"],
    "workloads": [{"namespace": "demo", "name": "backend", "connected": true,
                   "bundleGeneration": 2, "serial": "77", "rootKeyId": "aa11bb22cc33",
                   "notAfter": "2027-01-15T08:30:00Z", "waitsFor": "certificate"}]})");
}

TEST(RotationTableTest, ShowsPhaseRootsAndEachWorkloadsProgress) {
  const std::string table = RotationTable(Rotation(), kNow);
  EXPECT_THAT(table, HasSubstr("reissuing (manual), 1m0s ago; started 1h0m ago"));
  EXPECT_THAT(table, HasSubstr("in 30m0s"));
  EXPECT_THAT(table, HasSubstr("aa11bb22 "));
  EXPECT_THAT(table, HasSubstr("certificate"));
  EXPECT_THAT(table, HasSubstr("waits for:\n  the end of the last certificate"));
  EXPECT_THAT(table, Not(HasSubstr("ready for the next step")));
}

TEST(RotationTableTest, SaysWhatToTypeOnceNothingIsWaitedFor) {
  nlohmann::json rotation = Rotation();
  rotation["waitsFor"] = nlohmann::json::array();
  EXPECT_THAT(RotationTable(rotation, kNow), HasSubstr("kithctl ca rotate continue"));
}

TEST(RotationTableTest, TakesAnAnswerThatLacksEverything) {
  EXPECT_THAT(RotationTable(nlohmann::json::object(), kNow), HasSubstr("phase"));
}

TEST(StartRotationTest, NamesTheFileThatIsNoPem) {
  const AdminClient nobody("/nonexistent", "the control plane");
  RotationStart start;
  start.root_file = start.key_file = "/dev/null";
  const absl::Status status = StartRotation(nobody, start, Output::kTable);
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("/dev/null"));
}

}  // namespace
}  // namespace kith::ctl
