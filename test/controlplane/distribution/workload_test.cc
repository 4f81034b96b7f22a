#include "source/controlplane/distribution/workload.h"

#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace kith::controlplane {
namespace {

absl::StatusOr<mesh::v1::NodeMetadata> Parse(const std::string& json) {
  google::protobuf::Struct metadata;
  EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(json, &metadata).ok()) << json;
  return ParseMetadata(metadata, "10.1.2.3");
}

TEST(WorkloadTest, ReadsWhatSidecarsSay) {
  const auto node = Parse(R"({
    "workload": "backend-1", "labels": {"app": "backend"}, "version": "0.1.0",
    "inbound": [{"port": 8080, "address": "10.0.0.7:15006"}],
    "certificate": {"serial": "ab12", "notAfterUnix": "1767323045", "generation": "3"}})");
  ASSERT_TRUE(node.ok()) << node.status();
  EXPECT_EQ(node->workload(), "backend-1");
  EXPECT_EQ(node->labels().at("app"), "backend");
  EXPECT_EQ(node->inbound(0).address(), "10.0.0.7:15006");
  EXPECT_EQ(node->certificate().generation(), 3u);
}

TEST(WorkloadTest, PutsThePeersAddressInPlaceOfNone) {
  const auto node = Parse(R"({"workload": "w", "inbound": [
    {"port": 1, "address": "0.0.0.0:15006"}, {"port": 2, "address": "[::]:15007"}]})");
  ASSERT_TRUE(node.ok()) << node.status();
  EXPECT_EQ(node->inbound(0).address(), "10.1.2.3:15006");
  EXPECT_EQ(node->inbound(1).address(), "10.1.2.3:15007");
}

TEST(WorkloadTest, RefusesWhatIsWrongWithTheField) {
  const struct {
    const char* json;
    const char* field;
  } cases[] = {
      {R"({})", "workload"},
      {R"({"workload": "a/b"})", "workload"},
      {R"({"workload": ".."})", "workload"},
      {R"({"workload": "w", "namespace": "stolen"})", "namespace"},
      {R"({"workload": "w", "labels": {"": "x"}})", "labels"},
      {R"({"workload": "w", "inbound": [{"port": 0, "address": "1.2.3.4:5"}]})", "inbound.port"},
      {R"({"workload": "w", "inbound": [{"port": 65536, "address": "1.2.3.4:5"}]})",
       "inbound.port"},
      {R"({"workload": "w", "inbound": [{"port": 1, "address": "1.2.3.4:5"},
          {"port": 1, "address": "1.2.3.4:6"}]})",
       "twice"},
      {R"({"workload": "w", "inbound": [{"port": 1, "address": "name:5"}]})", "inbound.address"},
      {R"({"workload": "w", "inbound": [{"port": 1, "address": "1.2.3.4:0"}]})", "inbound.address"},
      {R"({"workload": "w", "inbound": [{"port": 1, "address": "unix:/tmp/x"}]})",
       "inbound.address"},
  };
  for (const auto& [json, field] : cases) {
    const auto node = Parse(json);
    EXPECT_EQ(node.status().code(), absl::StatusCode::kInvalidArgument) << json;
    EXPECT_NE(std::string(node.status().message()).find(field), std::string::npos) << node.status();
  }
}

TEST(WorkloadTest, BoundsWhatItTakes) {
  std::string labels, ports;
  for (int i = 0; i < 65; ++i) {
    absl::StrAppend(&labels, i == 0 ? "" : ",", "\"l", i, "\":\"v\"");
    absl::StrAppend(&ports, i == 0 ? "" : ",", "{\"port\":", i + 1, ",\"address\":\"1.2.3.4:5\"}");
  }
  EXPECT_FALSE(Parse(absl::StrCat(R"({"workload":"w","labels":{)", labels, "}}")).ok());
  EXPECT_FALSE(Parse(absl::StrCat(R"({"workload":"w","inbound":[)", ports, "]}")).ok());
  EXPECT_FALSE(Parse(absl::StrCat(R"({"workload":")", std::string(300, 'w'), "\"}")).ok());
  EXPECT_FALSE(
      Parse(absl::StrCat(R"({"workload":"w","labels":{"a":")", std::string(64, 'v'), "\"}}")).ok());
}

TEST(WorkloadTest, FindsTheAddressInGrpcsNamesOfPeers) {
  EXPECT_EQ(PeerIp("ipv4:10.0.0.7:4711"), "10.0.0.7");
  EXPECT_EQ(PeerIp("ipv6:%5B::1%5D:4711"), "::1");
  EXPECT_EQ(PeerIp("ipv6:[::1]:4711"), "::1");
  EXPECT_EQ(PeerIp("unix:/run/x"), "");
  EXPECT_EQ(PeerIp(""), "");
}

}  // namespace
}  // namespace kith::controlplane
