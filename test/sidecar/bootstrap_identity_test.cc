#include "source/sidecar/bootstrap_identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "source/sidecar/bootstrap.h"
#include "test/support/temporary_ca.h"
#include "test/support/temporary_directory.h"

namespace kith::sidecar {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class BootstrapIdentityTest : public ::testing::Test {
 protected:
  // A whole file with these lines.
  absl::StatusOr<Bootstrap> With(const std::string& lines) {
    return Bootstrap::Load(directory_.Write(
        "sidecar.yaml",
        absl::StrCat("workload: {name: b, namespace: demo, serviceAccount: backend}\n",
                     "controlPlane: {address: \"127.0.0.1:15012\", trustBundleFile: ", roots_,
                     ", tokenFile: /run/token}\n",
                     "outbound: [{bind: \"127.0.0.1:9000\", service: db.demo, port: 1}]\n",
                     "admin: {socket: /run/kith.sock}\n", lines, "\n")));
  }
  IdentityConfig Identity(const std::string& line) {
    const auto bootstrap = With(absl::StrCat("identity: ", line));
    EXPECT_TRUE(bootstrap.ok()) << bootstrap.status();
    return bootstrap.ok() ? bootstrap->identity : IdentityConfig();
  }
  void ExpectRefused(const std::string& lines, const std::string& why) {
    EXPECT_THAT(std::string(With(lines).status().message()), HasSubstr(why)) << lines;
  }

  test::TemporaryDirectory directory_;
  test::TemporaryCa ca_;
  const std::string roots_ = directory_.Write("roots.pem", ca_.root_pem());
};

TEST_F(BootstrapIdentityTest, AsksTheControlPlaneUnlessToldOtherwise) {
  EXPECT_EQ(SourceName(With("")->identity), "kith-ca");
  EXPECT_EQ(SourceName(Identity("{source: {kithCa: {}}}")), "kith-ca");
  EXPECT_FALSE(With("")->workload_api.has_value());
}

TEST_F(BootstrapIdentityTest, ReadsAnIstioAuthority) {
  const IdentityConfig identity = Identity(
      absl::StrCat("{source: {istioCa: {address: \"istiod.istio-system:15012\", tokenFile: /t, ",
                   "trustBundleFile: ", roots_, ", rootsFile: /r}}}"));
  ASSERT_EQ(SourceName(identity), "istio-ca");
  const auto& istio = absl::get<IstioCaConfig>(identity.source);
  EXPECT_EQ(istio.server_name, "istiod.istio-system");
  EXPECT_EQ(istio.cluster_id, "Kubernetes");
  EXPECT_EQ(istio.roots_pem, ca_.root_pem());
  EXPECT_EQ(istio.roots_file, "/r");
  ExpectRefused("identity: {source: {istioCa: {address: \"a:1\"}}}", "trustBundleFile");
  ExpectRefused("identity: {source: {istioCa: {tokenFile: /t}}}", "istioCa.address");
}

TEST_F(BootstrapIdentityTest, ReadsFilesInEitherForm) {
  const IdentityConfig pem =
      Identity("{source: {files: {certificateFile: /c, keyFile: /k, bundleFile: /b}}}");
  ASSERT_EQ(SourceName(pem), "files");
  EXPECT_EQ(absl::get<FilesConfig>(pem.source).bundle_file, "/b");
  EXPECT_EQ(SourceName(Identity("{source: {files: {pkcs12File: /p, passwordFile: /w}}}")), "files");
  ExpectRefused("identity: {source: {files: {}}}", "certificateFile");
  ExpectRefused("identity: {source: {files: {certificateFile: /c, pkcs12File: /p}}}", "either");
  ExpectRefused("identity: {source: {files: {keyFile: /k, pkcs12File: /p}}}", "keyFile");
  ExpectRefused("identity: {source: {files: {certificateFile: /c, passwordFile: /w}}}", "password");
}

TEST_F(BootstrapIdentityTest, FindsTheWorkloadApiInTheEnvironment) {
  unsetenv("SPIFFE_ENDPOINT_SOCKET");
  ExpectRefused("identity: {source: {workloadApi: {}}}", "SPIFFE_ENDPOINT_SOCKET");
  setenv("SPIFFE_ENDPOINT_SOCKET", "unix:///run/agent.sock", 1);
  const IdentityConfig identity = Identity("{source: {workloadApi: {hint: internal}}}");
  EXPECT_EQ(absl::get<WorkloadApiClientConfig>(identity.source).endpoint, "unix:///run/agent.sock");
  EXPECT_EQ(absl::get<WorkloadApiClientConfig>(identity.source).hint, "internal");
}

TEST_F(BootstrapIdentityTest, TakesOneSource) {
  ExpectRefused("identity: {source: {kithCa: {}, workloadApi: {}}}", "kithCa");
}

TEST_F(BootstrapIdentityTest, ReadsFederatedBundlesAndTheirPrecedence) {
  const IdentityConfig identity =
      Identity(absl::StrCat("{trustBundles: SOURCE_FIRST, federatedBundles: [{trustDomain: ",
                            "partner.example, file: ", roots_, "}]}"));
  EXPECT_EQ(identity.precedence, identity::BundlePrecedence::kSourceFirst);
  ASSERT_EQ(identity.federated.size(), 1u);
  EXPECT_EQ(identity.federated[0].trust_domain, "partner.example");
  EXPECT_EQ(identity.federated[0].roots_pem, ca_.root_pem());
  ExpectRefused("identity: {federatedBundles: [{trustDomain: \"A B\", file: /f}]}", "trust domain");
  ExpectRefused("identity: {federatedBundles: [{trustDomain: a.b, file: /none}]}", "/none");
  const std::string junk = directory_.Write("junk.pem", "junk");
  ExpectRefused(
      absl::StrCat("identity: {federatedBundles: [{trustDomain: a.b, file: ", junk, "}]}"),
      "trust bundle of a.b");
}

TEST_F(BootstrapIdentityTest, ReadsTheCache) {
  EXPECT_EQ(Identity("{cache: {directory: /run/kith/identity}}").cache_directory,
            "/run/kith/identity");
  ExpectRefused("identity: {cache: {}}", "identity.cache.directory");
}

TEST_F(BootstrapIdentityTest, ReadsTheWorkloadApiToServe) {
  const auto bootstrap =
      With("workloadApi: {socket: /run/w.sock, mode: \"0660\", uids: [0, 1000]}");
  ASSERT_TRUE(bootstrap.ok()) << bootstrap.status();
  EXPECT_EQ(bootstrap->workload_api->socket, "/run/w.sock");
  EXPECT_EQ(bootstrap->workload_api->mode, 0660);
  EXPECT_THAT(bootstrap->workload_api->uids, ElementsAre(0, 1000));
  ExpectRefused("workloadApi: {}", "workloadApi.socket");
  ExpectRefused("workloadApi: {socket: /run/w.sock, mode: rw}", "octal");
  ExpectRefused("workloadApi: {socket: /run/w.sock, mode: \"1777\"}", "octal");
}

}  // namespace
}  // namespace kith::sidecar
