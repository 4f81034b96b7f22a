// Thousands of pushed settings, each spoiled in one place: every one is refused with the field's
// name, and what was in force stays.
#include <gtest/gtest.h>

#include <random>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "kith/mesh/v1/resources.pb.h"
#include "source/control/resource_store.h"

namespace kith::control {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr int kCorruptions = 4000;
constexpr char kType[] = "type.googleapis.com/kith.mesh.v1.WorkloadConfig";

mesh::v1::WorkloadConfig Good() {
  mesh::v1::WorkloadConfig config;
  config.set_trust_domain("cluster.local");
  config.set_root_namespace("istio-system");
  config.set_mtls_mode(security::v1::PeerAuthenticationSpec::MutualTLS::STRICT);
  for (const char* name : {"a", "b"}) {
    auto& policy = *config.add_authorization_policies();
    policy.mutable_metadata()->set_name(name);
    policy.mutable_metadata()->set_namespace_("demo");
    auto& rule = *policy.mutable_spec()->add_rules();
    auto& source = *rule.add_from()->mutable_source();
    source.add_principals("cluster.local/ns/demo/sa/a");
    source.add_ip_blocks("10.0.0.0/8");
    auto& operation = *rule.add_to()->mutable_operation();
    operation.add_ports("80");
    operation.add_paths("/a/{**}");
    auto& when = *rule.add_when();
    when.set_key("request.headers[x]");
    when.add_values("y");
  }
  auto& limit = *config.add_rate_limit_policies();
  limit.mutable_metadata()->set_name("r");
  limit.mutable_metadata()->set_namespace_("demo");
  limit.mutable_spec()->mutable_limit()->set_requests(5);
  limit.mutable_spec()->mutable_limit()->mutable_per()->set_seconds(1);
  auto& provider = *config.add_extension_providers()->mutable_provider();
  provider.set_name("opa");
  provider.mutable_envoy_ext_authz_grpc()->set_service("opa.demo");
  provider.mutable_envoy_ext_authz_grpc()->set_port(9191);
  return config;
}

class Spoiler {
 public:
  // The field that the refusal must name; empty when the dice found nothing to spoil.
  std::string Spoil(Message& message) {
    std::vector<Message*> messages;
    Collect(message, messages);
    Message& chosen = *messages[Below(messages.size())];
    const Reflection& reflection = *chosen.GetReflection();
    if (Below(2)) {  // A field of a newer control plane.
      const int number = 1000 + static_cast<int>(Below(1000));
      auto& unknown = *reflection.MutableUnknownFields(&chosen);
      if (Below(2)) {
        unknown.AddVarint(number, 1);
      } else {
        unknown.AddLengthDelimited(number, "x");
      }
      return absl::StrCat("field number ", number);
    }
    std::vector<const FieldDescriptor*> fields;
    reflection.ListFields(chosen, &fields);
    if (fields.empty()) return "";
    const FieldDescriptor& field = *fields[Below(fields.size())];
    const std::string name(field.json_name());
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM && !field.is_repeated()) {
      reflection.SetEnumValue(&chosen, &field, 77);
      return name;
    }
    if (field.cpp_type() != FieldDescriptor::CPPTYPE_STRING || !field.is_repeated()) return "";
    const std::pair<const char*, const char*> bad[] = {{"principals", "spiffe://x/y"},
                                                       {"ipBlocks", "10.0.0.1/33"},
                                                       {"ports", "http"},
                                                       {"paths", "/{x}"}};
    std::string value;  // Empty ones mean nothing anywhere.
    for (const auto& [list, wrong] : bad) {
      if (name == list && Below(2)) value = wrong;
    }
    reflection.SetRepeatedString(&chosen, &field, 0, value);
    return name;
  }

  size_t Below(size_t bound) {
    return std::uniform_int_distribution<size_t>(0, bound - 1)(random_);
  }

 private:
  static void Collect(Message& message, std::vector<Message*>& messages) {
    messages.push_back(&message);
    const Reflection& reflection = *message.GetReflection();
    std::vector<const FieldDescriptor*> fields;
    reflection.ListFields(message, &fields);
    for (const FieldDescriptor* field : fields) {
      if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE || field->is_map()) continue;
      if (!field->is_repeated()) {
        Collect(*reflection.MutableMessage(&message, field), messages);
        continue;
      }
      for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
        Collect(*reflection.MutableRepeatedMessage(&message, field, i), messages);
      }
    }
  }

  std::mt19937_64 random_{6};
};

ResourceStore::Response Push(const std::string& bytes) {
  ResourceStore::Response response;
  response.set_type_url(kType);
  response.set_nonce("n");
  auto& resource = *response.add_resources();
  resource.set_name("self");
  resource.set_version("2");
  resource.mutable_resource()->set_type_url(kType);
  resource.mutable_resource()->set_value(bytes);
  return response;
}

ResourceStore::Options Options() {
  ResourceStore::Options options;
  options.trust_domain = "cluster.local";
  options.use_bundles = [](const auto&) { return absl::OkStatus(); };
  return options;
}

TEST(CorruptPushesTest, RefusesEachByTheFieldAndKeepsTheLastGoodSettings) {
  ResourceStore store(Options());
  const ResourceStore::Result first = store.Apply(Push(Good().SerializeAsString()));
  ASSERT_TRUE(first.status.ok()) << first.status;
  const auto policies = store.Current().policies;
  Spoiler spoiler;
  for (int made = 0; made < kCorruptions;) {
    mesh::v1::WorkloadConfig config = Good();
    const std::string field = spoiler.Spoil(config);
    if (field.empty()) continue;
    ++made;
    const ResourceStore::Result result = store.Apply(Push(config.SerializeAsString()));
    ASSERT_FALSE(result.status.ok()) << config.ShortDebugString();
    EXPECT_FALSE(result.changed);
    ASSERT_TRUE(absl::StrContains(result.answer.error_detail().message(), field))
        << result.status << "\nnames nothing of \"" << field << "\" in "
        << config.ShortDebugString();
    ASSERT_EQ(store.Current().policies, policies);
  }
}

TEST(CorruptPushesTest, RefusesBytesThatAreNoMessage) {
  ResourceStore store(Options());
  const std::string good = Good().SerializeAsString();
  ASSERT_TRUE(store.Apply(Push(good)).status.ok());
  Spoiler spoiler;
  for (int i = 0; i < 2000; ++i) {
    // Whatever the bytes say now, it is taken whole or not at all.
    std::string bytes = good;
    for (size_t flips = 1 + spoiler.Below(4); flips > 0; --flips) {
      bytes[spoiler.Below(bytes.size())] = static_cast<char>(spoiler.Below(256));
    }
    const bool cut = i % 2 != 0;
    if (cut) bytes += '\xff';
    const auto before = store.Current().policies;
    const ResourceStore::Result result = store.Apply(Push(bytes));
    if (cut) {
      EXPECT_FALSE(result.status.ok());
    }
    if (!result.status.ok()) {
      EXPECT_EQ(store.Current().policies, before);
      EXPECT_TRUE(absl::StartsWith(result.answer.error_detail().message(), "self: "));
    }
  }
}

}  // namespace
}  // namespace kith::control
