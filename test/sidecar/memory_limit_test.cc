#include "source/sidecar/memory_limit.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace kith::sidecar {
namespace {

class MemoryLimitTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto* const info = testing::UnitTest::GetInstance()->current_test_info();
    root_ = testing::TempDir() + "/memory_limit_" + info->name();
    std::filesystem::remove_all(root_);
  }
  void Write(const std::string& path, const std::string& text) {
    const std::filesystem::path whole = root_ + path;
    std::filesystem::create_directories(whole.parent_path());
    std::ofstream(whole) << text;
  }
  absl::optional<uint64_t> Limit() const { return ControlGroupMemoryLimit(root_); }

 private:
  std::string root_;
};

TEST_F(MemoryLimitTest, KnowsNoneWithoutControlGroups) { EXPECT_EQ(Limit(), absl::nullopt); }

TEST_F(MemoryLimitTest, ReadsVersion2) {
  Write("/proc/self/cgroup", "0::/system.slice/kith.service\n");
  Write("/sys/fs/cgroup/system.slice/kith.service/memory.max", "134217728\n");
  EXPECT_EQ(Limit(), 134217728u);
}

TEST_F(MemoryLimitTest, TakesTheLeastOfTheGroupsAround) {
  Write("/proc/self/cgroup", "0::/pods/pod/container\n");
  Write("/sys/fs/cgroup/pods/pod/container/memory.max", "max\n");
  Write("/sys/fs/cgroup/pods/pod/memory.max", "268435456\n");
  Write("/sys/fs/cgroup/pods/memory.max", "1073741824\n");
  EXPECT_EQ(Limit(), 268435456u);
}

TEST_F(MemoryLimitTest, ReadsAContainersOwnGroupAtTheMount) {
  Write("/proc/self/cgroup", "0::/../../kubepods/burstable/x\n");
  Write("/sys/fs/cgroup/memory.max", "67108864\n");
  EXPECT_EQ(Limit(), 67108864u);
}

TEST_F(MemoryLimitTest, ReadsVersion1) {
  Write("/proc/self/cgroup", "5:cpu,cpuacct:/a\n4:memory:/docker/b\n0::/\n");
  Write("/sys/fs/cgroup/memory/docker/b/memory.limit_in_bytes", "100663296\n");
  Write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(Limit(), 100663296u);
}

TEST_F(MemoryLimitTest, TakesNothingThatIsNoLimit) {
  Write("/proc/self/cgroup", "4:memory:/\n0::/x\nnonsense\n");
  Write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  Write("/sys/fs/cgroup/x/memory.max", "-1\n");
  EXPECT_EQ(Limit(), absl::nullopt);
}

}  // namespace
}  // namespace kith::sidecar
