#include "source/inject/inject.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/match.h"
#include "source/inject/containers.h"

namespace kith::inject {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Options TestOptions() {
  v1::InjectionConfig config;
  config.set_image("kith:test");
  return *Options::From(config);
}

Json Pod(const std::string& text = R"({"metadata": {"labels": {"app": "web"}},
                                       "spec": {"containers": [{"name": "app"}]}})") {
  auto json = Parse(text);
  EXPECT_TRUE(json.ok()) << json.status();
  return *std::move(json);
}

Verdict InjectPod(const Json& pod, const Options& options = TestOptions()) {
  return Inject(pod, {.name_space = "demo", .namespace_labels = {}}, options);
}

std::vector<std::string> NamesOf(const Json& list) {
  std::vector<std::string> names;
  for (const Json& each : list) names.push_back(each["name"]);
  return names;
}

Json ConfigOf(const Json& sidecar) {
  for (const Json& variable : sidecar["env"]) {
    if (variable["name"] == "KITH_CONFIG") return *Parse(std::string(variable["value"]));
  }
  return nullptr;
}

TEST(InjectTest, PutsANativeSidecarBeforeEverythingElse) {
  Json pod = Pod();
  pod["spec"]["initContainers"] = Json::array({{{"name", "setup"}}});
  const Verdict verdict = InjectPod(pod);
  ASSERT_EQ(verdict.kind, Verdict::Kind::kInjected) << verdict.reason;
  const Json& spec = verdict.pod["spec"];
  EXPECT_THAT(NamesOf(spec["initContainers"]), ElementsAre("kith-init", "kith-sidecar", "setup"));
  EXPECT_EQ(spec["initContainers"][1]["restartPolicy"], "Always");
  EXPECT_THAT(NamesOf(spec["containers"]), ElementsAre("app"));
}

TEST(InjectTest, PutsAClassicSidecarFirstAndCapturesLast) {
  Json pod = Pod();
  pod["metadata"]["annotations"]["sidecar.kith.dev/native"] = "false";
  pod["spec"]["initContainers"] = Json::array({{{"name", "setup"}}});
  const Verdict verdict = InjectPod(pod);
  const Json& spec = verdict.pod["spec"];
  EXPECT_THAT(NamesOf(spec["initContainers"]), ElementsAre("setup", "kith-init"));
  EXPECT_THAT(NamesOf(spec["containers"]), ElementsAre("kith-sidecar", "app"));
  EXPECT_FALSE(spec["containers"][0].contains("restartPolicy"));
  EXPECT_EQ(spec["containers"][0]["lifecycle"]["postStart"]["exec"]["command"][1], "wait");
  EXPECT_EQ(verdict.pod["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"],
            "app");
}

TEST(InjectTest, GivesTheSidecarNoRights) {
  const Json sidecar = InjectPod(Pod()).pod["spec"]["initContainers"][1];
  const Json& context = sidecar["securityContext"];
  EXPECT_EQ(context["runAsUser"], 1337);
  EXPECT_EQ(context["runAsNonRoot"], true);
  EXPECT_EQ(context["readOnlyRootFilesystem"], true);
  EXPECT_EQ(context["allowPrivilegeEscalation"], false);
  EXPECT_EQ(context["capabilities"], Json({{"drop", {"ALL"}}}));
  EXPECT_EQ(context["seccompProfile"]["type"], "RuntimeDefault");
}

TEST(InjectTest, GivesOnlyTheInitContainerRightsOverTheNetwork) {
  Json pod = InjectPod(Pod()).pod;
  EXPECT_EQ(pod["spec"]["initContainers"][0]["securityContext"]["capabilities"]["add"],
            Json({"NET_ADMIN", "NET_RAW"}));
  Options cni = TestOptions();
  cni.capture = Capture::kCni;
  pod = InjectPod(Pod(), cni).pod;
  EXPECT_THAT(NamesOf(pod["spec"]["initContainers"]),
              ElementsAre("kith-validation", "kith-sidecar"));
  EXPECT_FALSE(absl::StrContains(Dump(pod), "NET_ADMIN"));
  EXPECT_EQ(pod["metadata"]["annotations"]["sidecar.kith.dev/capture-arguments"],
            R"(["--proxy-uid","1337","--exclude-inbound-ports","15020"])");
}

TEST(InjectTest, TellsTheSidecarWhoItsPodIs) {
  const Json config = ConfigOf(InjectPod(Pod()).pod["spec"]["initContainers"][1]);
  EXPECT_EQ(config["workload"]["name"], "$(POD_NAME)");
  EXPECT_EQ(config["workload"]["namespace"], "$(POD_NAMESPACE)");
  EXPECT_EQ(config["workload"]["serviceAccount"], "$(SERVICE_ACCOUNT)");
  EXPECT_EQ(config["workload"]["labels"]["app"], "web");
  EXPECT_EQ(config["capture"]["inbound"], "[::]:15006");
}

TEST(InjectTest, MountsATokenForTheAuthorityAlone) {
  const Json pod = InjectPod(Pod()).pod;
  EXPECT_EQ(pod["spec"]["volumes"][2]["projected"]["sources"][0]["serviceAccountToken"],
            Json({{"audience", "kith-ca"}, {"expirationSeconds", 43200}, {"path", "token"}}));
}

TEST(InjectTest, DrainsWithinTheGracePeriod) {
  Json pod = Pod();
  const auto drain = [&] {
    return ConfigOf(InjectPod(pod).pod["spec"]["initContainers"][1])["timeouts"]["drain"];
  };
  EXPECT_EQ(drain(), "15s");
  pod["spec"]["terminationGracePeriodSeconds"] = 12;
  EXPECT_EQ(drain(), "7s");
  pod["spec"]["terminationGracePeriodSeconds"] = 0;
  EXPECT_EQ(drain(), "0s");
}

TEST(InjectTest, RewritesProbesAndResolvesPorts) {
  const Json pod = InjectPod(Pod(R"({"spec": {"containers": [{"name": "app",
      "ports": [{"name": "http", "containerPort": 8080}],
      "readinessProbe": {"httpGet": {"path": "/r", "port": "http",
                                     "httpHeaders": [{"name": "A", "value": "b"}]},
                         "timeoutSeconds": 4, "periodSeconds": 7},
      "livenessProbe": {"grpc": {"port": 9090, "service": "s"}},
      "startupProbe": {"exec": {"command": ["true"]}},
      "lifecycle": {"preStop": {"httpGet": {"path": "/bye", "port": 8080}}}}]}})"))
                       .pod;
  const Json& app = pod["spec"]["containers"][0];
  EXPECT_EQ(app["readinessProbe"]["httpGet"]["path"], "/app-health/app/readyz");
  EXPECT_EQ(app["readinessProbe"]["httpGet"]["port"], 15020);
  EXPECT_EQ(app["readinessProbe"]["periodSeconds"], 7);
  EXPECT_FALSE(app["livenessProbe"].contains("grpc"));
  EXPECT_TRUE(app["startupProbe"].contains("exec"));
  EXPECT_EQ(app["lifecycle"]["preStop"]["httpGet"]["path"], "/app-lifecycle/app/prestopz");
  const Json probes = ConfigOf(pod["spec"]["initContainers"][1])["applicationProbes"];
  ASSERT_EQ(probes.size(), 3);
  EXPECT_EQ(Canonical(probes[0]),
            R"({"httpGet":{"headers":[{"name":"A","value":"b"}],"path":"/r","port":8080},)"
            R"("path":"/app-health/app/readyz","timeout":"4s"})");
  EXPECT_EQ(probes[1]["grpc"], Json({{"port", 9090}, {"service", "s"}}));
  EXPECT_EQ(probes[2]["timeout"], "30s");
}

TEST(InjectTest, EscapesWhatKubernetesWouldExpand) {
  Json pod = Pod();
  pod["spec"]["containers"][0]["readinessProbe"]["httpGet"] = {{"path", "/$(HOME)"}, {"port", 80}};
  const Json sidecar = InjectPod(pod).pod["spec"]["initContainers"][1];
  EXPECT_EQ(ConfigOf(sidecar)["applicationProbes"][0]["httpGet"]["path"], "/$$(HOME)");
}

TEST(InjectTest, ReplacesTheSidecarOfAnOlderVersion) {
  Options older = TestOptions();
  older.image = "kith:old";
  const Json once = InjectPod(Pod(), older).pod;
  EXPECT_EQ(Canonical(InjectPod(once).pod), Canonical(InjectPod(Pod()).pod));
}

TEST(InjectTest, FollowsAContainerThatAnotherWebhookAdded) {
  Json pod = InjectPod(Pod()).pod;
  pod["spec"]["containers"].push_back(
      *Parse(R"({"name": "late", "readinessProbe": {"tcpSocket": {"port": 99}}})"));
  pod = InjectPod(pod).pod;
  EXPECT_EQ(pod["spec"]["containers"][1]["readinessProbe"]["httpGet"]["port"], 15020);
  EXPECT_THAT(NamesOf(pod["spec"]["initContainers"]), ElementsAre("kith-init", "kith-sidecar"));
}

TEST(InjectTest, RefusesAStatusThatIsNotItsOwn) {
  Json pod = Pod();
  pod["metadata"]["annotations"]["sidecar.kith.dev/status"] = "{";
  EXPECT_EQ(InjectPod(pod).kind, Verdict::Kind::kRefused);
}

TEST(InjectTest, RefusesWhatIsNoPod) {
  for (const char* text :
       {"[]", "{}", R"({"spec": {"containers": []}})", R"({"spec": {"containers": [1]}})",
        R"({"spec": {"containers": [{"name": "a"}], "volumes": {}}})",
        R"({"metadata": {"labels": {"a": 1}}, "spec": {"containers": [{"name": "a"}]}})"}) {
    EXPECT_EQ(InjectPod(Pod(text)).kind, Verdict::Kind::kRefused) << text;
  }
}

TEST(InjectTest, LetsThePodOverruleItsNamespace) {
  const auto kind = [](const char* label, const char* of_namespace) {
    Json pod = Pod();
    if (*label != 0) pod["metadata"]["labels"]["sidecar.istio.io/inject"] = label;
    Json labels = Json::object();
    if (*of_namespace != 0) labels["istio-injection"] = of_namespace;
    return Inject(pod, {.name_space = "demo", .namespace_labels = labels}, TestOptions()).kind;
  };
  EXPECT_EQ(kind("", "enabled"), Verdict::Kind::kInjected);
  EXPECT_EQ(kind("", ""), Verdict::Kind::kSkipped);
  EXPECT_EQ(kind("true", ""), Verdict::Kind::kInjected);
  EXPECT_EQ(kind("true", "disabled"), Verdict::Kind::kInjected);
  EXPECT_EQ(kind("false", "enabled"), Verdict::Kind::kSkipped);
}

TEST(InjectTest, LeavesItsOwnNamespaceAlone) {
  EXPECT_EQ(
      Inject(Pod(), {.name_space = "kith-system", .namespace_labels = {}}, TestOptions()).kind,
      Verdict::Kind::kSkipped);
}

TEST(InjectTest, WarnsOfJobsThatNeverEnd) {
  Json pod = Pod();
  pod["spec"]["restartPolicy"] = "Never";
  EXPECT_TRUE(InjectPod(pod).warnings.empty());
  pod["metadata"]["annotations"]["sidecar.kith.dev/native"] = "false";
  EXPECT_THAT(InjectPod(pod).warnings, ElementsAre(HasSubstr("never completes")));
}

TEST(InjectOptionsTest, NamesTheFieldThatIsWrong) {
  const auto error = [](void (*change)(v1::InjectionConfig&)) {
    v1::InjectionConfig config;
    config.set_image("kith:test");
    change(config);
    return std::string(Options::From(config).status().message());
  };
  EXPECT_THAT(error([](auto& c) { c.clear_image(); }), HasSubstr("image: is required"));
  EXPECT_THAT(error([](auto& c) { c.set_control_plane("host"); }), HasSubstr("controlPlane"));
  EXPECT_THAT(error([](auto& c) { c.set_log_level("loud"); }), HasSubstr("logLevel"));
  EXPECT_THAT(error([](auto& c) { c.mutable_resources()->set_cpu_limit("1 core"); }),
              HasSubstr("resources.cpuLimit"));
  EXPECT_THAT(error([](auto& c) { c.mutable_token_lifetime()->set_seconds(1); }),
              HasSubstr("tokenLifetime"));
}

TEST(InjectOptionsTest, KnowsQuantities) {
  for (const char* good : {"1", "100m", "0.5", "64Mi", "2Gi", "1e3", "500k"}) {
    EXPECT_TRUE(IsQuantity(good)) << good;
  }
  for (const char* bad : {"", "m", "1.2.3", "10 Mi", "-1", "64mi", "1e", "0x10"}) {
    EXPECT_FALSE(IsQuantity(bad)) << bad;
  }
}

}  // namespace
}  // namespace kith::inject
