#include "source/controlplane/webhook/admission.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "source/inject/json.h"

namespace kith::controlplane {
namespace {

using inject::Json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class AdmissionTest : public testing::Test {
 protected:
  AdmissionTest() {
    inject::v1::InjectionConfig config;
    config.set_image("kith:test");
    options_.injection = *inject::Options::From(config);
    options_.count = [this](absl::string_view webhook, absl::string_view result) {
      counted_.push_back(absl::StrCat(webhook, " ", result));
    };
  }

  static Json Review(const std::string& kind, const std::string& object) {
    return {{"apiVersion", "admission.k8s.io/v1"},
            {"kind", "AdmissionReview"},
            {"request",
             {{"uid", "u-1"},
              {"kind", {{"group", ""}, {"version", "v1"}, {"kind", kind}}},
              {"namespace", "demo"},
              {"operation", "CREATE"},
              {"dryRun", true},
              {"object", *inject::Parse(object)}}}};
  }
  https::HttpsAnswer Post(const std::string& path, const std::string& body) {
    return Admission(options_).Answer({.method = "POST", .path = path, .body = body});
  }
  Json Response(const std::string& path, const Json& review) {
    const https::HttpsAnswer answer = Post(path, inject::Dump(review));
    EXPECT_EQ(answer.status, 200);
    Json json = *inject::Parse(answer.body);
    EXPECT_EQ(json["apiVersion"], "admission.k8s.io/v1");
    EXPECT_EQ(json["response"]["uid"], "u-1");
    return json["response"];
  }

  Admission::Options options_;
  std::vector<std::string> counted_;
};

constexpr char kPod[] = R"({"metadata": {"generateName": "web-"},
                            "spec": {"containers": [{"name": "app"}]}})";

TEST_F(AdmissionTest, AnswersWithAPatchThatMakesTheSidecar) {
  const Json response = Response("/inject", Review("Pod", kPod));
  EXPECT_EQ(response["allowed"], true);
  EXPECT_EQ(response["patchType"], "JSONPatch");
  std::string patch;
  ASSERT_TRUE(absl::Base64Unescape(std::string(response["patch"]), &patch));
  const Json pod = inject::Parse(kPod)->patch(*inject::Parse(patch));
  EXPECT_EQ(pod["spec"]["initContainers"][1]["name"], "kith-sidecar");
  EXPECT_THAT(counted_, ElementsAre("inject injected"));

  // A second time there is nothing left to do.
  const Json again = Response("/inject", Review("Pod", inject::Dump(pod)));
  EXPECT_EQ(again["allowed"], true);
  EXPECT_FALSE(again.contains("patch"));
}

TEST_F(AdmissionTest, LetsThroughWhatIsSkippedAndRefusesWhatWouldBreak) {
  Json pod = *inject::Parse(kPod);
  pod["spec"]["hostNetwork"] = true;
  Json response = Response("/inject", Review("Pod", inject::Dump(pod)));
  EXPECT_EQ(response["allowed"], true);
  EXPECT_THAT(std::string(response["auditAnnotations"]["skipped"]), HasSubstr("hostNetwork"));
  pod["spec"].erase("hostNetwork");
  pod["spec"]["securityContext"]["runAsUser"] = 1337;
  response = Response("/inject", Review("Pod", inject::Dump(pod)));
  EXPECT_EQ(response["allowed"], false);
  EXPECT_THAT(std::string(response["status"]["message"]), HasSubstr("1337"));
  EXPECT_THAT(counted_, ElementsAre("inject skipped", "inject refused"));
}

TEST_F(AdmissionTest, PassesWarningsOn) {
  Json pod = *inject::Parse(kPod);
  pod["metadata"]["annotations"]["proxy.istio.io/config"] = "{}";
  EXPECT_THAT(std::string(Response("/inject", Review("Pod", inject::Dump(pod)))["warnings"][0]),
              HasSubstr("proxy.istio.io/config has no effect"));
}

TEST_F(AdmissionTest, ValidatesPoliciesAsTheRegistryDoes) {
  const std::string good = R"({"apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication",
      "metadata": {"name": "default", "namespace": "demo"}, "spec": {"mtls": {"mode": "STRICT"}},
      "status": {}})";
  EXPECT_EQ(Response("/validate", Review("PeerAuthentication", good))["allowed"], true);
  const std::string bad = R"({"apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication",
      "metadata": {"name": "default", "namespace": "demo"}, "spec": {"mtsl": {"mode": "STRICT"}}})";
  const Json refused = Response("/validate", Review("PeerAuthentication", bad));
  EXPECT_EQ(refused["allowed"], false);
  EXPECT_THAT(std::string(refused["status"]["message"]), HasSubstr("mtsl"));
  Json removal = Review("PeerAuthentication", "{}");
  removal["request"]["operation"] = "DELETE";
  removal["request"]["object"] = nullptr;
  EXPECT_EQ(Response("/validate", removal)["allowed"], true);
  EXPECT_THAT(counted_, ElementsAre("validate accepted", "validate refused", "validate accepted"));
}

std::string Policy(const std::string& name, const std::string& spec) {
  return absl::StrCat(R"({"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy",
      "metadata": {"name": ")",
                      name, R"(", "namespace": "demo"}, "spec": )", spec, "}");
}

TEST_F(AdmissionTest, WarnsOfPoliciesAsTheLinterDoes) {
  const std::string spec = R"({"action": "DENY", "selector": {"matchLabels": {"app": "web"}},
      "rules": [{"from": [{"source": {"principals": ["cluster.local/ns/a/sa/b"]}}]}]})";
  const Json evaded = Response("/validate", Review("AuthorizationPolicy", Policy("deny", spec)));
  EXPECT_EQ(evaded["allowed"], true);
  EXPECT_THAT(std::string(evaded["warnings"][0]), HasSubstr("plaintext-evades"));
  // Where plaintext is refused, nobody evades it.
  auto state = std::make_shared<MeshState>();
  security::v1::PeerAuthentication strict;
  strict.mutable_metadata()->set_name("default");
  strict.mutable_metadata()->set_namespace_("demo");
  strict.mutable_spec()->mutable_mtls()->set_mode(
      security::v1::PeerAuthenticationSpec::MutualTLS::STRICT);
  state->peer_authentications.push_back(strict);
  LatestMesh mesh;
  mesh.Set(state);
  options_.mesh = &mesh;
  EXPECT_FALSE(Response("/validate", Review("AuthorizationPolicy", Policy("deny", spec)))
                   .contains("warnings"));
}

TEST_F(AdmissionTest, ComparesAPolicyWithThoseInForce) {
  auto state = std::make_shared<MeshState>();
  security::v1::AuthorizationPolicy present;
  present.mutable_metadata()->set_name("all");
  present.mutable_metadata()->set_namespace_("demo");
  present.mutable_spec()->set_action(security::v1::AuthorizationPolicySpec::DENY);
  present.mutable_spec()->add_rules();
  state->authorization_policies.push_back(present);
  LatestMesh mesh;
  mesh.Set(state);
  options_.mesh = &mesh;
  const std::string spec = R"({"action": "DENY", "selector": {"matchLabels": {"app": "web"}},
      "rules": [{"to": [{"operation": {"methods": ["GET"]}}]}]})";
  const Json shadowed = Response("/validate", Review("AuthorizationPolicy", Policy("some", spec)));
  EXPECT_THAT(shadowed["warnings"].dump(), HasSubstr("demo/all rules[0]"));
  // It is no neighbour of its own earlier self.
  const Json again = Response("/validate", Review("AuthorizationPolicy", Policy("all", spec)));
  EXPECT_THAT(again.dump(), ::testing::Not(HasSubstr("demo/all rules[0]")));
}

TEST_F(AdmissionTest, RefusesWhatIsNoReview) {
  for (const char* body : {"", "{", "[]", "{}",
                           R"({"apiVersion":"admission.k8s.io/v1beta1",)"
                           R"("kind":"AdmissionReview","request":{"uid":"u"}})",
                           R"({"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"})"}) {
    EXPECT_EQ(Post("/inject", body).status, 400) << body;
  }
  EXPECT_EQ(Post("/inject", std::string(100000, '[')).status, 400);
  EXPECT_EQ(Post("/other", "{}").status, 404);
  EXPECT_EQ(Admission(options_).Answer({.method = "GET", .path = "/inject", .body = ""}).status,
            405);
}

}  // namespace
}  // namespace kith::controlplane
