#include "source/control/tls_origination.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include "kith/networking/v1/destination_rule.pb.h"

namespace kith::control {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

absl::StatusOr<mesh::TlsOrigination> Translate(const std::string& text,
                                               const std::vector<std::string>& names = {}) {
  networking::v1::ClientTLSSettings tls;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &tls)) << text;
  return TranslateTlsOrigination(tls, "db.example", names);
}

TEST(TlsOriginationTest, FillsInDefaults) {
  const auto simple = Translate("mode: SIMPLE");
  ASSERT_TRUE(simple.ok()) << simple.status();
  EXPECT_EQ(simple->sni, "db.example");
  EXPECT_THAT(simple->names, ElementsAre("db.example"));
  EXPECT_FALSE(simple->insecure_skip_verify);
}

TEST(TlsOriginationTest, ExpectsTheNamesOfTheRuleThenOfTheServiceThenTheSni) {
  EXPECT_THAT(Translate("mode: SIMPLE sni: 'x.example'")->names, ElementsAre("x.example"));
  EXPECT_THAT(Translate("mode: SIMPLE sni: 'x.example'", {"spiffe://td/db"})->names,
              ElementsAre("spiffe://td/db"));
  EXPECT_THAT(Translate("mode: SIMPLE subject_alt_names: 'y.example'", {"spiffe://td/db"})->names,
              ElementsAre("y.example"));
}

TEST(TlsOriginationTest, RefusesWhatItWouldNotDo) {
  const std::pair<const char*, const char*> wrong[] = {
      {"", "mode"},
      {"mode: ISTIO_MUTUAL", "mode"},
      {"mode: MUTUAL private_key: '/k'", "clientCertificate: is required"},
      {"mode: MUTUAL client_certificate: '/c'", "privateKey: is required"},
      {"mode: SIMPLE client_certificate: '/c' private_key: '/k'", "write mode: MUTUAL"},
      {"mode: SIMPLE credential_name: 'c'", "credentialName"},
      {"mode: SIMPLE ca_certificates: 'ca.pem'", "caCertificates: must be a whole path"},
      {"mode: SIMPLE ca_crl: '/a\\n'", "caCrl: has a control character"},
      {"mode: SIMPLE sni: 'a b'", "sni"},
      {"mode: SIMPLE subject_alt_names: '*.example'", "wildcards"},
      {"mode: SIMPLE subject_alt_names: ''", "subjectAltNames"},
      {"mode: SIMPLE insecure_skip_verify: true ca_certificates: '/ca'", "insecureSkipVerify"},
  };
  for (const auto& [text, problem] : wrong) {
    const auto made = Translate(text);
    ASSERT_FALSE(made.ok()) << text;
    const std::string message(made.status().message());
    EXPECT_THAT(message, HasSubstr(problem)) << text;
    EXPECT_THAT(message, testing::StartsWith("tls.")) << text;
  }
}

}  // namespace
}  // namespace kith::control
