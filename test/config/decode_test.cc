#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "kith/config/v1/controlplane.pb.h"
#include "kith/mesh/v1/resources.pb.h"
#include "kith/security/v1/authorization_policy.pb.h"
#include "kith/security/v1/peer_authentication.pb.h"
#include "source/config/document.h"

namespace kith::config {
namespace {

namespace pb = google::protobuf;

// A message with a field of every kind, which the API has no use for yet.
constexpr char kEveryKind[] = R"(
  name: "every.proto" syntax: "proto3"
  message_type {
    name: "Every"
    field { name: "i32" json_name: "i32" number: 1 type: TYPE_INT32 label: LABEL_OPTIONAL }
    field { name: "i64" json_name: "i64" number: 2 type: TYPE_SINT64 label: LABEL_OPTIONAL }
    field { name: "u32" json_name: "u32" number: 3 type: TYPE_FIXED32 label: LABEL_OPTIONAL }
    field { name: "u64" json_name: "u64" number: 4 type: TYPE_UINT64 label: LABEL_OPTIONAL }
    field { name: "d" json_name: "d" number: 5 type: TYPE_DOUBLE label: LABEL_OPTIONAL }
    field { name: "f" json_name: "f" number: 6 type: TYPE_FLOAT label: LABEL_OPTIONAL }
    field { name: "b" json_name: "b" number: 7 type: TYPE_BOOL label: LABEL_OPTIONAL }
    field { name: "raw" json_name: "raw" number: 8 type: TYPE_BYTES label: LABEL_OPTIONAL }
    field { name: "bs" json_name: "bs" number: 9 type: TYPE_BOOL label: LABEL_REPEATED }
    field { name: "es" json_name: "es" number: 10 type: TYPE_ENUM type_name: ".E"
            label: LABEL_REPEATED }
    field { name: "left" json_name: "left" number: 11 type: TYPE_STRING label: LABEL_OPTIONAL
            oneof_index: 0 }
    field { name: "right" json_name: "right" number: 12 type: TYPE_INT32 label: LABEL_OPTIONAL
            oneof_index: 0 }
    oneof_decl { name: "side" }
  }
  enum_type { name: "E" value { name: "E_UNSPECIFIED" number: 0 } value { name: "ONE" number: 1 }
              value { name: "TWO" number: 2 } }
)";

class DecodeTest : public testing::Test {
 protected:
  DecodeTest() {
    pb::FileDescriptorProto file;
    EXPECT_TRUE(pb::TextFormat::ParseFromString(kEveryKind, &file));
    const pb::FileDescriptor* built = pool_.BuildFile(file);
    EXPECT_NE(built, nullptr);
    message_.reset(factory_.GetPrototype(built->message_type(0))->New());
  }

  // The message read, or the error.
  std::string Read(absl::string_view text) {
    const absl::Status status = DecodeSingle(text, "f", *message_);
    return status.ok() ? message_->ShortDebugString() : std::string(status.message());
  }

  pb::DescriptorPool pool_;
  pb::DynamicMessageFactory factory_;
  std::unique_ptr<pb::Message> message_;
};

template <typename Message>
std::string ErrorOf(absl::string_view text) {
  return std::string(ParseSingle<Message>(text, "f").status().message());
}

TEST_F(DecodeTest, ReadsEveryKindOfScalar) {
  EXPECT_EQ(Read("{i32: -2147483648, i64: -5, u32: 4294967295, u64: 7, d: 1.5, f: 2, b: true, raw: "
                 "aGk=, bs: [true, false], es: [TWO, \"ONE\"], left: x}"),
            "i32: -2147483648 i64: -5 u32: 4294967295 u64: 7 d: 1.5 f: 2 b: true raw: \"hi\" bs: "
            "true bs: false es: TWO es: ONE left: \"x\"");
}

TEST_F(DecodeTest, BoundsEveryKindOfScalar) {
  EXPECT_EQ(Read("i32: 2147483648"),
            "f:1: i32: out of range: 2147483648; must be between -2147483648 and 2147483647");
  EXPECT_EQ(Read("u32: 4294967296"),
            "f:1: u32: out of range: 4294967296; must be between 0 and 4294967295");
  EXPECT_EQ(Read("b: yes"), "f:1: b: needs true or false, found \"yes\"");
  EXPECT_EQ(Read("bs: [true, 1]"), "f:1: bs[1]: needs true or false, found \"1\"");
  EXPECT_EQ(Read("raw: '*'"), "f:1: raw: not base64");
  EXPECT_EQ(Read("es: [E_UNSPECIFIED]"),
            "f:1: es[0]: unknown value \"E_UNSPECIFIED\"; allowed: ONE, TWO");
}

TEST_F(DecodeTest, RefusesTheWrongShape) {
  EXPECT_EQ(Read("bs: true"), "f:1: bs: needs a list, as in [value], found a single value");
  EXPECT_EQ(Read("i32: [1]"), "f:1: i32: needs an integer, found a list");
  EXPECT_EQ(Read("i32: {}"), "f:1: i32: needs an integer, found a map");
  EXPECT_EQ(Read("i32:\n"), "f:1: i32: is empty; give it a value or remove it");
  EXPECT_EQ(Read("bs: [~]"), "f:1: bs[0]: is empty; give it a value or remove it");
}

TEST_F(DecodeTest, TakesOneMemberOfAOneof) {
  EXPECT_EQ(Read("left: a\nright: 1\n"), "f:2: right: cannot stand beside left; keep one of them");
}

TEST(DecodeMapTest, ReadsKeysQuotedOrNot) {
  for (absl::string_view key : {"8080", "\"8080\""}) {
    const auto read = ParseSingle<security::v1::PeerAuthenticationSpec>(
        absl::StrCat("portLevelMtls: {", key, ": {mode: DISABLE}}"), "f");
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(read->port_level_mtls().at(8080).mode(),
              security::v1::PeerAuthenticationSpec::MutualTLS::DISABLE);
  }
  const auto labels =
      ParseSingle<security::v1::WorkloadSelector>("matchLabels: {8080: a, true: b}", "f");
  ASSERT_TRUE(labels.ok()) << labels.status();
  EXPECT_EQ(labels->match_labels().at("8080"), "a");
  EXPECT_EQ(labels->match_labels().at("true"), "b");
}

TEST(DecodeMapTest, NamesTheKeyInErrors) {
  using security::v1::PeerAuthenticationSpec;
  EXPECT_EQ(ErrorOf<PeerAuthenticationSpec>("portLevelMtls: {http: {mode: DISABLE}}"),
            "f:1: portLevelMtls[http]: key needs an integer in decimal digits, found \"http\"");
  EXPECT_EQ(ErrorOf<PeerAuthenticationSpec>("portLevelMtls: {80: {mode: OFF}}").substr(0, 30),
            "f:1: portLevelMtls[80].mode: u");
  EXPECT_EQ(ErrorOf<PeerAuthenticationSpec>("portLevelMtls: {80: }"),
            "f:1: portLevelMtls[80]: is empty; give it a value or remove it");
  EXPECT_EQ(ErrorOf<PeerAuthenticationSpec>("portLevelMtls: {}"),
            "f:1: portLevelMtls: must not be empty; fill it or remove it");
  EXPECT_EQ(ErrorOf<PeerAuthenticationSpec>("portLevelMtls: [80]"),
            "f:1: portLevelMtls: needs a map, as in {key: value}, found a list");
  EXPECT_EQ(ErrorOf<security::v1::WorkloadSelector>("matchLabels: {app: 1}"),
            "f:1: matchLabels[\"app\"]: needs a string, found a number; put it in quotes: \"1\"");
}

TEST(DecodeMapTest, ReadsMapsOfEnums) {
  const auto read = ParseSingle<mesh::v1::Endpoint>("portTls: {80: PLAINTEXT}", "f");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->port_tls().at(80), mesh::v1::Endpoint::PLAINTEXT);
}

TEST(DecodeWellKnownTest, ReadsDurations) {
  using kith::config::v1::CertificateAuthority;
  const auto read = ParseSingle<CertificateAuthority>("backdate: 1h0.5s", "f");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->backdate().seconds(), 3600);
  EXPECT_EQ(read->backdate().nanos(), 500'000'000);
  EXPECT_EQ(ErrorOf<CertificateAuthority>("\nbackdate: 5").substr(0, 18), "f:2: backdate: nee");
  EXPECT_EQ(ErrorOf<CertificateAuthority>("backdate: {seconds: 5}").substr(0, 18),
            "f:1: backdate: nee");
}

TEST(DecodeWellKnownTest, KeepsWhatItDoesNotUnderstandWhole) {
  const auto read = ParseSingle<security::v1::AuthorizationPolicy>(
      "status: {a: [1, 1.5, \"1\", true, null, {b: text}], c: .inf}\n"
      "metadata: {managedFields: [{manager: kubectl}]}\n",
      "f");
  ASSERT_TRUE(read.ok()) << read.status();
  const auto& list = read->status().fields().at("a").list_value();
  ASSERT_EQ(list.values_size(), 6);
  EXPECT_EQ(list.values(0).number_value(), 1);
  EXPECT_EQ(list.values(1).number_value(), 1.5);
  EXPECT_EQ(list.values(2).string_value(), "1");
  EXPECT_TRUE(list.values(3).bool_value());
  EXPECT_TRUE(list.values(4).has_null_value());
  EXPECT_EQ(list.values(5).struct_value().fields().at("b").string_value(), "text");
  EXPECT_EQ(read->status().fields().at("c").string_value(), ".inf");
  EXPECT_EQ(read->metadata().managed_fields().values_size(), 1);
  EXPECT_EQ(ErrorOf<security::v1::AuthorizationPolicy>("status: []"),
            "f:1: status: needs a map, found a list");
}

TEST(DecodeWellKnownTest, ReadsNullAsAbsentWhereToolsPrintIt) {
  EXPECT_EQ(ErrorOf<meta::v1::ObjectMeta>("{creationTimestamp: null, labels: ~, annotations: }"),
            "");
  EXPECT_EQ(ErrorOf<meta::v1::ObjectMeta>("name: null"),
            "f:1: name: is empty; give it a value or remove it");
}

}  // namespace
}  // namespace kith::config
