#include "source/identity/cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test/support/temporary_ca.h"
#include "test/support/temporary_directory.h"

namespace kith::identity {
namespace {

using ::testing::HasSubstr;

constexpr char kId[] = "spiffe://cluster.local/ns/demo/sa/backend";

class CacheTest : public ::testing::Test {
 protected:
  std::shared_ptr<const tls::Identity> MakeIdentity() {
    const test::Credential leaf = ca_.Leaf(kId);
    return *tls::Identity::Create(leaf.chain_pem, *tls::PrivateKey::FromPem(leaf.key_pem));
  }
  std::unique_ptr<Cache> Make() {
    auto cache = Cache::Create(path_);
    EXPECT_TRUE(cache.ok()) << cache.status();
    return *std::move(cache);
  }

  test::TemporaryDirectory directory_;
  const std::string path_ = directory_.File("cache");
  const base::SpiffeId id_ = *base::SpiffeId::Parse(kId);
  const absl::Time now_ = absl::Now();
  test::TemporaryCa ca_{{.now = now_, .intermediate = true}};
};

TEST_F(CacheTest, GivesBackWhatWasStoredLast) {
  const auto cache = Make();
  EXPECT_TRUE(absl::IsNotFound(cache->Load(id_, now_).status()));
  ASSERT_TRUE(cache->Store(*MakeIdentity()).ok());
  const auto identity = MakeIdentity();
  ASSERT_TRUE(cache->Store(*identity).ok());
  const auto loaded = Make()->Load(id_, now_);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ((*loaded)->ChainPem(), identity->ChainPem());
}

TEST_F(CacheTest, LetsNobodyElseIn) {
  ASSERT_TRUE(Make()->Store(*MakeIdentity()).ok());
  struct stat entry;
  ASSERT_EQ(stat(path_.c_str(), &entry), 0);
  EXPECT_EQ(entry.st_mode & 0777, 0700u);
  ASSERT_EQ(stat((path_ + "/identity.pem").c_str(), &entry), 0);
  EXPECT_EQ(entry.st_mode & 0777, 0600u);
}

TEST_F(CacheTest, RefusesADirectoryThatOthersMayEnter) {
  for (const mode_t mode : {0750, 0701}) {
    mkdir(path_.c_str(), mode);
    chmod(path_.c_str(), mode);
    EXPECT_THAT(std::string(Cache::Create(path_).status().message()), HasSubstr("others"));
  }
}

TEST_F(CacheTest, RefusesAFileThatOthersMayReadOrThatIsALink) {
  const auto cache = Make();
  ASSERT_TRUE(cache->Store(*MakeIdentity()).ok());
  const std::string file = path_ + "/identity.pem";
  ASSERT_EQ(chmod(file.c_str(), 0640), 0);
  EXPECT_THAT(std::string(cache->Load(id_, now_).status().message()), HasSubstr("others"));
  ASSERT_EQ(chmod(file.c_str(), 0600), 0);
  ASSERT_EQ(rename(file.c_str(), (path_ + "/other").c_str()), 0);
  ASSERT_EQ(symlink("other", file.c_str()), 0);
  EXPECT_FALSE(cache->Load(id_, now_).ok());
}

TEST_F(CacheTest, RefusesWhatHasExpiredOrIsSomebodyElses) {
  const auto cache = Make();
  ASSERT_TRUE(cache->Store(*MakeIdentity()).ok());
  EXPECT_FALSE(cache->Load(id_, now_ + absl::Hours(48)).ok());
  EXPECT_FALSE(
      cache->Load(*base::SpiffeId::Parse("spiffe://cluster.local/ns/demo/sa/other"), now_).ok());
}

TEST_F(CacheTest, RefusesAFileCutAtAnyPlace) {
  const auto cache = Make();
  ASSERT_TRUE(cache->Store(*MakeIdentity()).ok());
  const std::string whole = directory_.Read("cache/identity.pem");
  for (size_t size = 0; size + 1 < whole.size(); size += 7) {
    directory_.Write("cache/identity.pem", whole.substr(0, size));
    EXPECT_FALSE(cache->Load(id_, now_).ok()) << size;
  }
}

}  // namespace
}  // namespace kith::identity
