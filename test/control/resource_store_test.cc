#include "source/control/resource_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "kith/mesh/v1/resources.pb.h"

namespace kith::control {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

using Request = ResourceStore::Request;
using Response = ResourceStore::Response;

constexpr char kBundleType[] = "type.googleapis.com/kith.mesh.v1.TrustBundle";
constexpr char kWorkloadType[] = "type.googleapis.com/kith.mesh.v1.WorkloadConfig";
constexpr char kServiceType[] = "type.googleapis.com/kith.mesh.v1.Service";

mesh::v1::Service Backend(uint32_t port = 80) {
  mesh::v1::Service service;
  service.set_host("backend");
  auto& added = *service.add_ports();
  added.set_number(port);
  added.set_protocol(mesh::v1::ServicePort::HTTP);
  return service;
}

mesh::v1::WorkloadConfig Workload() {
  mesh::v1::WorkloadConfig config;
  config.set_trust_domain("cluster.local");
  config.set_root_namespace("istio-system");
  config.set_mtls_mode(security::v1::PeerAuthenticationSpec::MutualTLS::PERMISSIVE);
  return config;
}

mesh::v1::TrustBundle Bundle(const std::string& domain, const std::string& roots) {
  mesh::v1::TrustBundle bundle;
  bundle.set_trust_domain(domain);
  bundle.set_roots(roots);
  return bundle;
}

class ResourceStoreTest : public ::testing::Test {
 protected:
  Response Make(const char* type, const std::string& nonce) {
    Response response;
    response.set_type_url(type);
    response.set_nonce(nonce);
    return response;
  }
  template <typename Message>
  void Add(Response& response, const std::string& name, const std::string& version,
           const Message& message) {
    auto& resource = *response.add_resources();
    resource.set_name(name);
    resource.set_version(version);
    resource.mutable_resource()->set_type_url(response.type_url());
    resource.mutable_resource()->set_value(message.SerializeAsString());
  }
  template <typename Message>
  ResourceStore::Result Give(const char* type, const std::string& name, const std::string& version,
                             const Message& message) {
    Response response = Make(type, "n");
    Add(response, name, version, message);
    return store_.Apply(response);
  }

  std::map<std::string, std::string> used_bundles_;
  absl::Status bundle_verdict_;
  ResourceStore store_{{.trust_domain = "cluster.local",
                        .roots_pem = "BOOTSTRAP",
                        .services = {"backend", "database"},
                        .use_bundles = [this](std::vector<tls::TrustBundle::Domain> domains) {
                          if (!bundle_verdict_.ok()) return bundle_verdict_;
                          used_bundles_.clear();
                          for (auto& each : domains) {
                            used_bundles_[each.trust_domain] = each.roots_pem;
                          }
                          return absl::OkStatus();
                        }}};
};

TEST_F(ResourceStoreTest, AllowsNothingBeforeTheControlPlaneHasSpoken) {
  const Update update = store_.Current();
  EXPECT_FALSE(update.configured);
  EXPECT_EQ(update.snapshot->modes.mode, mesh::MtlsMode::kStrict);
  EXPECT_THAT(update.snapshot->services, IsEmpty());
  EXPECT_FALSE(update.policies->Decide({}).allowed);
}

TEST_F(ResourceStoreTest, SubscribesToWhatItUses) {
  const std::vector<Request> requests = store_.Subscriptions();
  ASSERT_EQ(requests.size(), 3u);
  EXPECT_EQ(requests[0].type_url(), kBundleType);
  EXPECT_THAT(requests[0].resource_names_subscribe(), ElementsAre("*"));
  EXPECT_EQ(requests[1].type_url(), kWorkloadType);
  EXPECT_THAT(requests[1].resource_names_subscribe(), ElementsAre("self"));
  EXPECT_EQ(requests[2].type_url(), kServiceType);
  EXPECT_THAT(requests[2].resource_names_subscribe(), ElementsAre("backend", "database"));
  for (const Request& request : requests) {
    EXPECT_THAT(request.initial_resource_versions(), IsEmpty());
    EXPECT_TRUE(request.response_nonce().empty());
  }
}

TEST_F(ResourceStoreTest, SubscribesToNoServiceRatherThanToAllWhenNoneIsUsed) {
  const ResourceStore store(
      {.trust_domain = "cluster.local", .roots_pem = "", .services = {}, .use_bundles = nullptr});
  EXPECT_EQ(store.Subscriptions().size(), 2u);
}

TEST_F(ResourceStoreTest, AcknowledgesWhatItTakes) {
  const ResourceStore::Result result = Give(kServiceType, "backend", "v1", Backend());
  EXPECT_TRUE(result.status.ok()) << result.status;
  EXPECT_TRUE(result.changed);
  EXPECT_EQ(result.type, "Service");
  EXPECT_EQ(result.answer.response_nonce(), "n");
  EXPECT_EQ(result.answer.type_url(), kServiceType);
  EXPECT_FALSE(result.answer.has_error_detail());
  EXPECT_NE(store_.Current().snapshot->FindService("backend"), nullptr);
  EXPECT_GT(store_.Current().snapshot->version, 0u);
}

TEST_F(ResourceStoreTest, TellsANewStreamWhatItHolds) {
  Give(kServiceType, "backend", "v1", Backend());
  Give(kBundleType, "cluster.local", "v7", Bundle("cluster.local", "A"));
  const std::vector<Request> requests = store_.Subscriptions();
  EXPECT_THAT(requests[0].initial_resource_versions(),
              UnorderedElementsAre(Pair("cluster.local", "v7")));
  EXPECT_THAT(requests[1].initial_resource_versions(), IsEmpty());
  EXPECT_THAT(requests[2].initial_resource_versions(), UnorderedElementsAre(Pair("backend", "v1")));
}

TEST_F(ResourceStoreTest, KeepsTheLastGoodVersionOfWhatItRefuses) {
  Give(kServiceType, "backend", "v1", Backend());
  mesh::v1::Service bad = Backend(81);
  bad.mutable_ports(0)->set_number(70000);
  const ResourceStore::Result result = Give(kServiceType, "backend", "v2", bad);
  EXPECT_FALSE(result.status.ok());
  EXPECT_FALSE(result.changed);
  ASSERT_TRUE(result.answer.has_error_detail());
  EXPECT_NE(result.answer.error_detail().code(), 0);
  EXPECT_THAT(result.answer.error_detail().message(), HasSubstr("backend: ports.number: 70000"));
  EXPECT_EQ(result.answer.response_nonce(), "n");
  EXPECT_NE(store_.Current().snapshot->FindService("backend")->FindPort(80), nullptr);
  EXPECT_THAT(store_.Subscriptions()[2].initial_resource_versions(),
              UnorderedElementsAre(Pair("backend", "v1")));
}

TEST_F(ResourceStoreTest, TakesTheGoodResourcesBesideABadOne) {
  Response response = Make(kServiceType, "n1");
  mesh::v1::Service database = Backend(5432);
  database.set_host("database");
  Add(response, "backend", "v1", mesh::v1::Service());
  Add(response, "database", "v1", database);
  const ResourceStore::Result result = store_.Apply(response);
  EXPECT_TRUE(result.answer.has_error_detail());
  EXPECT_TRUE(result.changed);
  EXPECT_EQ(store_.Current().snapshot->FindService("backend"), nullptr);
  EXPECT_NE(store_.Current().snapshot->FindService("database"), nullptr);
}

TEST_F(ResourceStoreTest, ForgetsARemovedService) {
  Give(kServiceType, "backend", "v1", Backend());
  Response response = Make(kServiceType, "n2");
  response.add_removed_resources("backend");
  response.add_removed_resources("never-heard-of");
  const ResourceStore::Result result = store_.Apply(response);
  EXPECT_TRUE(result.status.ok());
  EXPECT_TRUE(result.changed);
  EXPECT_EQ(store_.Current().snapshot->FindService("backend"), nullptr);
  EXPECT_THAT(store_.Subscriptions()[2].initial_resource_versions(), IsEmpty());
}

TEST_F(ResourceStoreTest, CallsTheNewsOfAMissingServiceNoChange) {
  Response response = Make(kServiceType, "n");
  response.add_removed_resources("backend");
  EXPECT_FALSE(store_.Apply(response).changed);
}

TEST_F(ResourceStoreTest, TakesItsOwnSettings) {
  EXPECT_TRUE(Give(kWorkloadType, "self", "w1", Workload()).status.ok());
  const Update update = store_.Current();
  EXPECT_TRUE(update.configured);
  EXPECT_EQ(update.version, "w1");
  EXPECT_EQ(update.snapshot->modes.mode, mesh::MtlsMode::kPermissive);
  EXPECT_TRUE(update.policies->Decide({}).allowed) << "no policy selects it";
}

TEST_F(ResourceStoreTest, KeepsItsOwnSettingsWhenToldThatTheyAreGone) {
  Give(kWorkloadType, "self", "w1", Workload());
  Response response = Make(kWorkloadType, "n");
  response.add_removed_resources("self");
  const ResourceStore::Result result = store_.Apply(response);
  EXPECT_TRUE(result.answer.has_error_detail());
  EXPECT_TRUE(store_.Current().configured);
}

TEST_F(ResourceStoreTest, HandsOverTheRootsOfEveryTrustDomain) {
  Response response = Make(kBundleType, "n");
  Add(response, "a.example", "1", Bundle("a.example", "A"));
  Add(response, "cluster.local", "1", Bundle("cluster.local", "C"));
  EXPECT_TRUE(store_.Apply(response).status.ok());
  EXPECT_THAT(used_bundles_, ElementsAre(Pair("a.example", "A"), Pair("cluster.local", "C")));
}

TEST_F(ResourceStoreTest, KeepsTheBootstrapsRootsUntilOthersCome) {
  Give(kBundleType, "a.example", "1", Bundle("a.example", "A"));
  EXPECT_THAT(used_bundles_,
              ElementsAre(Pair("a.example", "A"), Pair("cluster.local", "BOOTSTRAP")));
}

TEST_F(ResourceStoreTest, RefusesRootsThatCannotBeUsed) {
  bundle_verdict_ = absl::InvalidArgumentError("no certificate in it");
  const ResourceStore::Result result =
      Give(kBundleType, "cluster.local", "1", Bundle("cluster.local", "junk"));
  EXPECT_THAT(result.answer.error_detail().message(), HasSubstr("no certificate in it"));
  bundle_verdict_ = absl::OkStatus();
  Give(kBundleType, "a.example", "1", Bundle("a.example", "A"));
  EXPECT_EQ(used_bundles_["cluster.local"], "BOOTSTRAP") << "the junk was not kept";
}

TEST_F(ResourceStoreTest, DropsAnotherTrustDomainButNeverItsOwn) {
  Give(kBundleType, "a.example", "1", Bundle("a.example", "A"));
  Response response = Make(kBundleType, "n");
  response.add_removed_resources("a.example");
  EXPECT_TRUE(store_.Apply(response).status.ok());
  EXPECT_THAT(used_bundles_, ElementsAre(Pair("cluster.local", "BOOTSTRAP")));
  response.clear_removed_resources();
  response.add_removed_resources("cluster.local");
  EXPECT_TRUE(store_.Apply(response).answer.has_error_detail());
}

TEST_F(ResourceStoreTest, RefusesWhatWasNotAskedFor) {
  EXPECT_FALSE(Give(kServiceType, "other", "1", Backend()).status.ok());
  EXPECT_FALSE(Give(kWorkloadType, "somebody", "1", Workload()).status.ok());
  const ResourceStore::Result result =
      Give("type.googleapis.com/envoy.config.cluster.v3.Cluster", "x", "1", Backend());
  EXPECT_TRUE(result.answer.has_error_detail());
  EXPECT_EQ(result.type, "");
}

TEST_F(ResourceStoreTest, RefusesBytesThatAreNoMessage) {
  Response response = Make(kServiceType, "n");
  auto& resource = *response.add_resources();
  resource.set_name("backend");
  resource.mutable_resource()->set_type_url(kServiceType);
  resource.mutable_resource()->set_value("\xff\xff\xff");
  EXPECT_FALSE(store_.Apply(response).status.ok());
}

TEST_F(ResourceStoreTest, RefusesAResourceOfAnotherType) {
  Response response = Make(kServiceType, "n");
  Add(response, "backend", "1", Backend());
  response.mutable_resources(0)->mutable_resource()->set_type_url(kBundleType);
  EXPECT_THAT(store_.Apply(response).answer.error_detail().message(), HasSubstr("its type"));
}

TEST_F(ResourceStoreTest, AnswersInPlainTextOfBoundedLength) {
  Response response = Make(kServiceType, "n");
  for (int i = 0; i < 100; ++i) {
    Add(response, std::string(100, 'x') + "\xc3\xa9", "1", mesh::v1::Service());
  }
  const std::string message = store_.Apply(response).answer.error_detail().message();
  EXPECT_LE(message.size(), 2048u);
  for (const char c : message) EXPECT_TRUE(c >= ' ' && c <= '~');
}

// ---- Services wanted later ----

TEST_F(ResourceStoreTest, AsksOnceForAServiceThatIsWanted) {
  Request request;
  EXPECT_TRUE(store_.Want("10.96.0.7", request));
  EXPECT_EQ(request.type_url(), kServiceType);
  EXPECT_THAT(request.resource_names_subscribe(), ElementsAre("10.96.0.7"));
  EXPECT_FALSE(store_.Want("10.96.0.7", request));
}

TEST_F(ResourceStoreTest, TakesAServiceUnderTheAddressItWasWantedBy) {
  Request request;
  ASSERT_TRUE(store_.Want("10.96.0.7", request));
  const auto result = Give(kServiceType, "10.96.0.7", "1", Backend());
  EXPECT_TRUE(result.status.ok()) << result.status;
  const mesh::Service* service = store_.Current().snapshot->FindService("10.96.0.7");
  ASSERT_NE(service, nullptr);
  EXPECT_EQ(service->host, "backend");
}

TEST_F(ResourceStoreTest, KnowsWhichAddressesAreNobodys) {
  Request request;
  ASSERT_TRUE(store_.Want("192.0.2.1", request));
  EXPECT_FALSE(store_.Current().snapshot->absent.contains("192.0.2.1"));
  Response response = Make(kServiceType, "n");
  response.add_removed_resources("192.0.2.1");
  EXPECT_TRUE(store_.Apply(response).changed);
  EXPECT_TRUE(store_.Current().snapshot->absent.contains("192.0.2.1"));
}

TEST_F(ResourceStoreTest, GivesUpTheOldestAddressThatIsNobodysWhenThereAreTooMany) {
  Response absent = Make(kServiceType, "n");
  Request request;
  for (size_t i = 0; i < ResourceStore::kMaxWanted; ++i) {
    const std::string name = absl::StrCat("wanted-", i);
    ASSERT_TRUE(store_.Want(name, request));
    if (i == 5 || i == 9) absent.add_removed_resources(name);
  }
  store_.Apply(absent);
  Request more;
  ASSERT_TRUE(store_.Want("another", more));
  EXPECT_THAT(more.resource_names_unsubscribe(), ElementsAre("wanted-5"));
  EXPECT_THAT(more.resource_names_subscribe(), ElementsAre("another"));
  ASSERT_TRUE(store_.Want("one more", request));
  EXPECT_FALSE(store_.Want("too many", request));
}

}  // namespace
}  // namespace kith::control
