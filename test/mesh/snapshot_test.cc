#include "source/mesh/snapshot.h"

#include <gtest/gtest.h>

namespace kith::mesh {
namespace {

TEST(SnapshotTest, FindsServicesByHostAndPortsByNumber) {
  auto service = std::make_shared<Service>();
  service->ports.resize(2);
  service->ports[0].number = 80;
  service->ports[1].number = 443;
  Snapshot snapshot;
  snapshot.services["backend.demo"] = service;
  EXPECT_EQ(snapshot.FindService("backend.demo"), service.get());
  EXPECT_EQ(snapshot.FindService("backend"), nullptr);
  EXPECT_EQ(service->FindPort(443), &service->ports[1]);
  EXPECT_EQ(service->FindPort(8080), nullptr);
}

TEST(SnapshotTest, IsStrictUntilToldOtherwise) {
  WorkloadModes modes;
  EXPECT_EQ(modes.ForPort(80), MtlsMode::kStrict);
  modes.mode = MtlsMode::kPermissive;
  modes.port_modes[80] = MtlsMode::kDisable;
  EXPECT_EQ(modes.ForPort(80), MtlsMode::kDisable);
  EXPECT_EQ(modes.ForPort(81), MtlsMode::kPermissive);
}

}  // namespace
}  // namespace kith::mesh
