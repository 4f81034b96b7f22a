#include "source/controlplane/kubernetes/documents.h"

#include <gtest/gtest.h>

#include "source/controlplane/registry/file_contents.h"

namespace kith::controlplane {
namespace {

using nlohmann::json;

json Pod() {
  return json::parse(R"({
    "metadata": {"name": "web-1", "namespace": "demo", "labels": {"app": "web"}},
    "spec": {"serviceAccountName": "web"},
    "status": {"phase": "Running", "podIP": "10.0.0.1",
               "conditions": [{"type": "Ready", "status": "True"}]}})");
}

// As the registry reads it.
std::shared_ptr<const FileContents> Decode(const ObjectDocument& document) {
  auto contents = DecodeFile(document.text, document.name, {});
  EXPECT_TRUE(contents.ok()) << contents.status();
  return contents.ok() ? *contents : std::make_shared<FileContents>();
}

TEST(DocumentsTest, MakeAPodWithoutASidecarAnEndpoint) {
  const auto document = DocumentOf("v1", "Pod", Pod());
  ASSERT_TRUE(document.has_value());
  EXPECT_EQ(document->name, "kubernetes/Pod/demo/web-1");
  const auto contents = Decode(*document);
  ASSERT_EQ(contents->workload_entries.size(), 1);
  EXPECT_EQ(contents->workload_entries[0].ip, "10.0.0.1");
  EXPECT_EQ(contents->workload_entries[0].labels.at("app"), "web");
  EXPECT_FALSE(contents->workload_entries[0].has_sidecar);
}

TEST(DocumentsTest, TakeAPodOfIstiosForWhatItProves) {
  json pod = Pod();
  pod["metadata"]["labels"]["security.istio.io/tlsMode"] = "istio";
  const auto contents = Decode(*DocumentOf("v1", "Pod", pod));
  ASSERT_EQ(contents->workload_entries.size(), 1);
  EXPECT_TRUE(contents->workload_entries[0].has_sidecar);
  EXPECT_EQ(contents->workload_entries[0].service_account, "web");
  // One of Kith's is known by it to control planes that it is not connected to.
  pod["metadata"]["annotations"]["sidecar.kith.dev/status"] = "{}";
  EXPECT_TRUE(Decode(*DocumentOf("v1", "Pod", pod))->workload_entries[0].has_sidecar);
}

TEST(DocumentsTest, LeaveOutPodsThatTakeNoTrafficOrSpeakForThemselves) {
  const auto has = [](void (*change)(json&)) {
    json pod = Pod();
    change(pod);
    return DocumentOf("v1", "Pod", pod).has_value();
  };
  EXPECT_FALSE(has([](json& pod) { pod["status"].erase("podIP"); }));
  EXPECT_FALSE(has([](json& pod) { pod["status"]["phase"] = "Succeeded"; }));
  EXPECT_FALSE(has([](json& pod) { pod["status"]["conditions"][0]["status"] = "False"; }));
  EXPECT_FALSE(has([](json& pod) { pod["metadata"]["deletionTimestamp"] = "now"; }));
  EXPECT_FALSE(
      has([](json& pod) { pod["metadata"]["annotations"]["sidecar.kith.dev/status"] = "{}"; }));
}

TEST(DocumentsTest, DropWhatTheServerAdds) {
  const json service = json::parse(R"({
    "metadata": {"name": "web", "namespace": "demo", "uid": "u", "resourceVersion": "7",
                 "managedFields": [{"manager": "kubectl"}],
                 "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}},
    "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80}]},
    "status": {"loadBalancer": {}}})");
  const auto document = DocumentOf("v1", "Service", service);
  ASSERT_TRUE(document.has_value());
  EXPECT_EQ(document->text.find("managedFields"), std::string::npos);
  EXPECT_EQ(document->text.find("resourceVersion"), std::string::npos);
  EXPECT_EQ(document->text.find("last-applied"), std::string::npos);
  EXPECT_EQ(Decode(*document)->services.size(), 1);
}

TEST(DocumentsTest, SurviveAnyShape) {
  for (const char* text : {"null", "[]", "{}", "7", R"({"metadata": 7, "spec": [], "status": []})",
                           R"({"metadata": {"name": 7}, "status": {"podIP": 7}})"}) {
    EXPECT_FALSE(DocumentOf("v1", "Pod", json::parse(text)).has_value()) << text;
    EXPECT_EQ(DocumentName("Pod", json::parse(text)), "kubernetes/Pod//");
  }
}

}  // namespace
}  // namespace kith::controlplane
