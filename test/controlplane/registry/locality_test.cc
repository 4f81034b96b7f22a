#include "source/controlplane/registry/locality.h"

#include <gtest/gtest.h>

namespace kith::controlplane {
namespace {

TEST(LocalityTest, TakesThreePartsAndLess) {
  for (absl::string_view sound : {"eu", "eu/zone-1", "eu/zone-1/rack-a", "eu west/1"}) {
    EXPECT_TRUE(CheckLocality(sound).ok()) << sound;
  }
  for (absl::string_view bad : {"", "/", "eu/", "/zone-1", "eu//rack-a", "a/b/c/d"}) {
    EXPECT_FALSE(CheckLocality(bad).ok()) << bad;
  }
  EXPECT_FALSE(CheckLocality(std::string(300, 'a')).ok());
}

TEST(LocalityTest, ReadsTheLabelsOfTopology) {
  EXPECT_EQ(LocalityOf({{"topology.kubernetes.io/region", "eu"},
                        {"topology.kubernetes.io/zone", "eu-1"},
                        {"topology.istio.io/subzone", "rack-a"}}),
            "eu/eu-1/rack-a");
  EXPECT_EQ(LocalityOf({{"topology.kubernetes.io/region", "eu"}}), "eu");
  EXPECT_EQ(LocalityOf(
                {{"topology.kubernetes.io/region", "eu"}, {"topology.istio.io/subzone", "rack-a"}}),
            "eu");
  EXPECT_EQ(LocalityOf({{"topology.kubernetes.io/zone", "eu-1"}, {"app", "a"}}), "");
}

TEST(LocalityTest, PrefersIstiosOwnLabel) {
  EXPECT_EQ(
      LocalityOf({{"istio-locality", "us.us-1.rack-b"}, {"topology.kubernetes.io/region", "eu"}}),
      "us/us-1/rack-b");
}

TEST(LocalityTest, IgnoresWhatMakesNoSense) {
  EXPECT_EQ(LocalityOf({{"istio-locality", "a.b.c.d"}}), "");
  EXPECT_EQ(LocalityOf({{"topology.kubernetes.io/region", "a/b/c/d"}}), "");
}

}  // namespace
}  // namespace kith::controlplane
