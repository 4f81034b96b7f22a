#include "source/base/process.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>

namespace kith::base {
namespace {

size_t ResidentPages() {
  std::ifstream file("/proc/self/statm");
  size_t all = 0;
  size_t resident = 0;
  file >> all >> resident;
  return resident;
}

TEST(ProcessTest, ReleasesProgramPagesAndGoesOnWithThoseItNeeds) {
  const std::string text(64 * 1024, 'x');
  const size_t before = ResidentPages();
  ReleaseProgramPages();
  const size_t after = ResidentPages();
  EXPECT_LT(after, before);
  EXPECT_EQ(text, std::string(64 * 1024, 'x')) << "what is not the program's stays";
}

}  // namespace
}  // namespace kith::base
