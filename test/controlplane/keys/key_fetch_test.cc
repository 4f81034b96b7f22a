#include "source/controlplane/keys/key_fetch.h"

#include <gtest/gtest.h>

#include <fstream>

#include "test/support/temporary_directory.h"

namespace kith::controlplane {
namespace {

TEST(KeyFetchTest, AsksNoAddressOfThisMachineOrItsCloud) {
  const KeyFetch fetch;
  for (const char* url :
       {"https://127.0.0.1/keys", "https://127.1/keys", "https://2130706433/keys",
        "https://[::1]/keys", "https://[::ffff:127.0.0.1]/keys", "https://localhost/keys",
        "https://169.254.169.254/latest/meta-data", "https://[fe80::1]/keys", "https://0.0.0.0/",
        "https://[fd00:ec2::254]/", "https://224.0.0.1/"}) {
    const auto answer = fetch.Get(url, absl::Seconds(1));
    EXPECT_TRUE(absl::IsPermissionDenied(answer.status())) << url << ": " << answer.status();
  }
}

TEST(KeyFetchTest, AsksByHttpOnlyWhomItIsToldToTrust) {
  const auto answer = KeyFetch().Get("http://idp.example/keys", absl::Seconds(1));
  EXPECT_TRUE(absl::IsPermissionDenied(answer.status())) << answer.status();
}

TEST(KeyFetchTest, ReadsFilesOfItsDirectoryOnly) {
  test::TemporaryDirectory directory;
  std::ofstream(directory.File("keys.json")) << "{}";
  const std::string url = "file://" + directory.File("keys.json");
  EXPECT_TRUE(absl::IsPermissionDenied(KeyFetch().Get(url, absl::Seconds(1)).status()));
  KeyFetch fetch;
  fetch.directory = directory.path();
  EXPECT_EQ(*fetch.Get(url, absl::Seconds(1)), "{}");
  for (const std::string& other :
       {std::string("file:///etc/hostname"), "file://" + directory.File("../x"),
        "file://" + directory.path() + "x/keys.json"}) {
    EXPECT_TRUE(absl::IsPermissionDenied(fetch.Get(other, absl::Seconds(1)).status())) << other;
  }
}

}  // namespace
}  // namespace kith::controlplane
