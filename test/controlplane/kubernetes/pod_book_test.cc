#include "source/controlplane/kubernetes/pod_book.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace kith::controlplane {
namespace {

using Json = PodBook::Json;

Json Pod(const std::string& name, const std::string& uid, const std::vector<std::string>& ips) {
  Json pod = {{"metadata", {{"namespace", "demo"}, {"name", name}, {"uid", uid}}},
              {"spec", {{"serviceAccountName", "web"}}},
              {"status", {{"podIPs", Json::array()}}}};
  for (const std::string& ip : ips) pod["status"]["podIPs"].push_back({{"ip", ip}});
  return pod;
}

Caller Web(const std::string& pod) {
  Caller caller;
  caller.name_space = "demo";
  caller.service_account = "web";
  caller.pod = pod;
  return caller;
}

class PodBookTest : public testing::Test {
 protected:
  PodBookTest() { book_.Replace({Pod("web-1", "u-1", {"10.0.0.1", "fd00::1"})}); }
  PodBook book_;
};

TEST_F(PodBookTest, KnowsWhoseATokenIs) {
  EXPECT_TRUE(book_.CheckOwner(Web("web-1"), "u-1").ok());
  EXPECT_EQ(book_.CheckOwner(Web("web-2"), "u-1").message(),
            "token: the cluster has no pod demo/web-2");
  EXPECT_EQ(book_.CheckOwner(Web("web-1"), "u-0").message(),
            "token: it is of an earlier pod demo/web-1");
  Caller other = Web("web-1");
  other.service_account = "db";
  EXPECT_TRUE(absl::IsUnauthenticated(book_.CheckOwner(other, "u-1")));
  book_.Remove(Pod("web-1", "u-1", {}));
  EXPECT_TRUE(absl::IsUnauthenticated(book_.CheckOwner(Web("web-1"), "u-1")));
}

TEST_F(PodBookTest, KnowsTheNodeOfAPod) {
  Json pod = Pod("web-2", "u-2", {});
  EXPECT_EQ(book_.NodeOf("demo", "web-2"), "");
  pod["spec"]["nodeName"] = "n1";
  book_.Put(pod);
  EXPECT_EQ(book_.NodeOf("demo", "web-2"), "n1");
}

TEST_F(PodBookTest, LetsAPodSayItsOwnNameOnly) {
  EXPECT_TRUE(PodBook::CheckName(Web("web-1"), "web-1").ok());
  EXPECT_EQ(PodBook::CheckName(Web("web-1"), "web-2").message(),
            "node metadata: workload: web-2 is not the name of the pod demo/web-1");
  // A token that names no pod proves none.
  EXPECT_TRUE(PodBook::CheckName(Web(""), "anything").ok());
}

TEST_F(PodBookTest, LetsAPodSayItsOwnAddressesOnly) {
  EXPECT_TRUE(book_.CheckAddresses(Web("web-1"), {"10.0.0.1", "fd00::1"}, "10.0.0.1").ok());
  EXPECT_TRUE(absl::IsPermissionDenied(
      book_.CheckAddresses(Web("web-1"), {"10.0.0.1", "10.0.0.2"}, "10.0.0.1")));
  // Not even that it comes from there makes another pod's address its own.
  EXPECT_TRUE(
      absl::IsPermissionDenied(book_.CheckAddresses(Web("web-1"), {"10.0.0.2"}, "10.0.0.2")));
}

TEST_F(PodBookTest, TakesAPodThatIsNotKnownYetAtItsWordForWhereItCallsFrom) {
  book_.Put(Pod("web-2", "u-2", {}));
  for (const char* pod : {"web-2", "web-3"}) {
    EXPECT_TRUE(book_.CheckAddresses(Web(pod), {"10.0.0.3"}, "10.0.0.3").ok());
    EXPECT_TRUE(absl::IsUnavailable(book_.CheckAddresses(Web(pod), {"10.0.0.1"}, "10.0.0.3")));
  }
}

TEST_F(PodBookTest, LeavesAloneWhoIsNoPodAndWhoSharesItsNodesAddresses) {
  EXPECT_TRUE(book_.CheckAddresses(Web(""), {"192.0.2.1"}, "192.0.2.2").ok());
  Json node = Pod("agent", "u-3", {"192.0.2.7"});
  node["spec"]["hostNetwork"] = true;
  book_.Put(node);
  EXPECT_TRUE(book_.CheckAddresses(Web("agent"), {"192.0.2.8"}, "192.0.2.9").ok());
}

TEST_F(PodBookTest, SurvivesPodsWithoutShape) {
  for (const char* text : {"{}", "[]", "7", R"({"metadata": 1, "spec": [], "status": "x"})",
                           R"({"status": {"podIPs": [1, {}, {"ip": 2}]}})"}) {
    book_.Put(Json::parse(text));
  }
  EXPECT_TRUE(book_.CheckOwner(Web("web-1"), "u-1").ok());
}

}  // namespace
}  // namespace kith::controlplane
